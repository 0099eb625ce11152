import { describe, expect, it } from "vitest";
import { Readers } from "./readers.ts";

describe("readers of output", () => {
  it("are served before whoever waits for the end goes on", async () => {
    const readers = new Readers();
    const order: string[] = [];
    const reading = readers.enter();
    const waiting = readers.served(60_000).then(() => order.push("told"));
    order.push("given");
    reading[Symbol.dispose]();
    await waiting;
    expect(order).toEqual(["given", "told"]);
  });

  it("hold nobody up when they do not read, and are not waited for when the server stops", async () => {
    const readers = new Readers();
    using _reading = readers.enter();
    await readers.served(1);
    await readers.served(60_000, AbortSignal.abort());
  });

  it("may come right after the question", async () => {
    const readers = new Readers();
    let told = false;
    const waiting = readers.served(60_000).then(() => {
      told = true;
    });
    const reading = readers.enter();
    await new Promise((resolve) => setImmediate(resolve));
    expect(told).toBe(false);
    reading[Symbol.dispose]();
    await waiting;
  });
});
