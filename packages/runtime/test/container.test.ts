import {
  DataFormat,
  decodePayload,
  errorFromWire,
  type FunctionPutOutputsItem,
  GenericResult_GenericStatus as Status,
} from "@lydian/protocol";
import { describe, expect, it } from "vitest";
import { StubContainer } from "./stub-server.ts";

function valueIn(output: FunctionPutOutputsItem): unknown {
  const data = output.result?.dataOneof;
  return data?.case === "data" ? decodePayload(data.value) : undefined;
}

describe("a container", () => {
  it("starts, says hello when its function is loaded, and answers inputs", async () => {
    await using c = await StubContainer.start({
      source: `register("f", async (x) => ({ x, env: process.env.FROM_SERVER, cwd: process.cwd(), remote: context().attempt }));`,
      start: { env: { FROM_SERVER: "1" }, workdir: "/usr" },
    });
    c.send([3n]);
    expect(valueIn(await c.outputs.next())).toEqual({ x: 3n, env: "1", cwd: "/usr", remote: 1 });
    expect(c.calls.slice(0, 3)).toEqual(["start", "hello", "get"]);
  });

  it("answers plain CBOR callers in plain CBOR and binds named arguments", async () => {
    await using c = await StubContainer.start({ source: `register("f", (a, b) => [a, b, undefined], { params: ["a", "b"] });` });
    c.send([1], { named: { b: 2 }, format: DataFormat.CBOR });
    const output = await c.outputs.next();
    expect(output.dataFormat).toBe(DataFormat.CBOR);
    expect(valueIn(output)).toEqual([1, 2, null]);
  });

  it("never takes more inputs than it has slots", async () => {
    await using c = await StubContainer.start({
      slots: 3,
      source: `let running = 0; register("f", async () => { running++; await new Promise((r) => setTimeout(r, 20)); return running--; });`,
    });
    for (let i = 0; i < 10; i++) c.send([]);
    const seen: number[] = [];
    for (let i = 0; i < 10; i++) seen.push(valueIn(await c.outputs.next()) as number);
    expect(Math.max(...seen)).toBe(3);
    expect(Math.max(...c.asked.all)).toBe(3);
  });

  it("reports an error with the user's own file, line and code, its cause and its fields", async () => {
    await using c = await StubContainer.start({
      source: `\nregister("f", (id) => {\n  throw Object.assign(new RangeError("no such id: " + id, { cause: new TypeError("empty") }), { id });\n});\n`,
    });
    c.send([42]);
    const { result } = await c.outputs.next();
    expect(result?.status).toBe(Status.FAILURE);
    expect(result?.exception).toBe("RangeError: no such id: 42");
    expect(result?.traceback).toMatch(/at .*user\.ts:\d+:\d+/);
    expect(result?.traceback).toMatch(/> +\d+ \| {3}throw Object\.assign/);
    expect(result?.traceback).toContain("Caused by: TypeError: empty");
    expect(result?.traceback).not.toMatch(/runtime\.mjs|node:internal/);
    const error = errorFromWire(decodePayload(result?.dataOneof.value as Uint8Array)) as RangeError & { id: number };
    expect(error).toBeInstanceOf(RangeError);
    expect(error.cause).toBeInstanceOf(TypeError);
    expect(error.id).toBe(42);
    expect(error.stack).toMatch(/user\.ts:\d+:\d+/);
  });

  it("gives plain CBOR callers the texts of an error only", async () => {
    await using c = await StubContainer.start({ source: `register("f", () => { throw new Error("no"); });` });
    c.send([], { format: DataFormat.CBOR });
    const { result } = await c.outputs.next();
    expect(result).toMatchObject({ exception: "Error: no", dataOneof: { case: undefined } });
  });

  it("says where a result cannot be sent, and what an input schema refuses", async () => {
    await using c = await StubContainer.start({
      source: `
        const input = { "~standard": { validate: (v) => typeof v.n === "number" ? { value: v } : { issues: [{ message: "expected number", path: ["list", 0, { key: "n" }] }] } } };
        register("f", () => ({ user: { save() {} } }), { input });`,
    });
    c.send([{ n: 1 }]);
    expect((await c.outputs.next()).result?.exception).toMatch(/SerializationError: .*user.*save/);
    c.send([{}]);
    expect((await c.outputs.next()).result?.exception).toContain("input.list[0].n: expected number");
  });

  it("tells the retry policy what the error asks for", async () => {
    await using c = await StubContainer.start({
      source: `
        class NonRetriableError extends Error {}
        class RetryAfterError extends Error { retryAfterMs = 1500 }
        register("f", (k) => { throw k ? new NonRetriableError("a") : new RetryAfterError("b"); });`,
    });
    c.send([1]);
    expect((await c.outputs.next()).result?.propagationReason).toBe("non-retriable");
    c.send([0]);
    expect((await c.outputs.next()).result?.propagationReason).toBe("retry-after:1500");
  });

  it("streams what a generator yields without gaps, then says how many", async () => {
    await using c = await StubContainer.start({
      source: `register("f", async function* (n) { for (let i = 0; i < n; i++) yield { i }; });`,
    });
    c.send([300]);
    const output = await c.outputs.next();
    expect(output.dataFormat).toBe(DataFormat.GENERATOR_DONE);
    expect(output.result?.dataOneof.value).toEqual(Buffer.of(0x08, 0xac, 0x02));
    const chunks = c.chunkRequests.flat();
    expect(chunks.map(({ index }) => index)).toEqual(Array.from({ length: 300 }, (_, i) => i + 1));
    expect(decodePayload(chunks[299]?.value as Uint8Array)).toEqual({ i: 299 });
    expect(c.chunkRequests.length).toBeLessThan(300);
  });

  it("moves large arguments and results as blobs through the same socket", async () => {
    await using c = await StubContainer.start({ maxInlineBytes: 100, source: `register("f", (text) => text + text);` });
    c.send(["a".repeat(200)], { blob: true });
    const output = await c.outputs.next();
    expect(output.result?.dataOneof).toEqual({ case: "dataBlobId", value: "result" });
    expect(decodePayload(c.blobs.get("result") as Buffer)).toBe("a".repeat(400));
  });
});

describe("cancelling", () => {
  it("answers TERMINATED at once, drops the late result and keeps the slot until the code ends", async () => {
    await using c = await StubContainer.start({
      source: `register("f", (go) => go ? "next" : new Promise((resolve) => { console.log("on"); context().signal.addEventListener("abort", () => setTimeout(resolve, 50, "late")); }));`,
    });
    const first = c.send([0]);
    await c.asked.next();
    c.send([1]);
    c.cancel(first);
    const output = await c.outputs.next();
    expect(output).toMatchObject({ inputId: first, result: { status: Status.TERMINATED } });
    expect(valueIn(await c.outputs.next())).toBe("next");
    expect(c.outputs.all).toHaveLength(2);
  });

  it("returns a generator, whose clean-up runs", async () => {
    await using c = await StubContainer.start({
      slots: 2,
      source: `
        let cleaned = "not yet"; let begun; const started = new Promise((r) => begun = r);
        register("f", async function* (k) {
          if (k === "ask") { await started; yield 1; throw new Error(cleaned); }
          try { for (;;) { begun(); yield 1; await new Promise((r) => setTimeout(r, 1)); } } finally { cleaned = "cleaned"; }
        });`,
    });
    const endless = c.send(["endless"]);
    await c.asked.next();
    c.cancel(endless);
    expect((await c.outputs.next()).result?.status).toBe(Status.TERMINATED);
    c.send(["ask"]);
    expect((await c.outputs.next()).result?.exception).toBe("Error: cleaned");
  });
});

describe("ending", () => {
  it("serves as well after a long wait for its function", async () => {
    await using c = await StubContainer.start({ startAfterMs: 200, source: `register("f", () => "ready");` });
    c.send([]);
    expect(valueIn(await c.outputs.next())).toBe("ready");
    expect(c.outputs.all).toHaveLength(1);
  });

  it("fails all inputs when an unhandled rejection belongs to none of them", async () => {
    await using c = await StubContainer.start({
      slots: 2,
      source: `let arrived = 0; let both; new Promise((r) => both = r).then(() => { throw new Error("background"); });
        register("f", () => { if (++arrived === 2) both(); return new Promise(() => {}); });`,
    });
    c.send([]);
    c.send([]);
    const failed = [await c.outputs.next(), await c.outputs.next()];
    expect(failed.map(({ result }) => result?.exception)).toEqual(["Error: background", "Error: background"]);
    expect((await c.exited).code).toBe(1);
  });

  it("reports a result that the server refuses, and goes on", async () => {
    await using c = await StubContainer.start({ refuse: "too large", source: `register("f", (x) => x);` });
    c.send(["too large"]);
    expect((await c.outputs.next()).result?.exception).toContain("the result was refused by the server");
    c.send(["fine"]);
    expect(valueIn(await c.outputs.next())).toBe("fine");
  });

  it("finishes what runs after a kill switch and leaves nothing unprinted", async () => {
    await using c = await StubContainer.start({
      slots: 2,
      source: `register("f", async () => { await new Promise((r) => setTimeout(r, 30)); console.log("x".repeat(300_000)); return "done"; });`,
    });
    c.send([]);
    c.sendKillSwitch();
    expect(valueIn(await c.outputs.next())).toBe("done");
    expect(await c.exited).toEqual({ code: 0, signal: null });
    expect(c.stdout.length).toBe(300_001);
  });

  it("leaves at once on SIGINT when idle", async () => {
    await using c = await StubContainer.start({ source: `register("f", () => 1);` });
    await c.asked.next();
    c.signal("SIGINT");
    expect(await c.exited).toEqual({ code: 0, signal: null });
  });

  it("aborts the signal on SIGINT, answers what still succeeds and leaves the rest to the server", async () => {
    await using c = await StubContainer.start({
      slots: 2,
      source: `register("f", (ok) => new Promise((resolve, reject) => {
        console.log("up"); context().signal.addEventListener("abort", () => ok ? resolve("saved") : reject(new Error("lost"))); }));`,
    });
    c.send([true]);
    c.send([false]);
    while (c.stdout !== "up\nup\n") await new Promise((resolve) => setImmediate(resolve));
    c.signal("SIGINT");
    expect(await c.exited).toEqual({ code: 0, signal: null });
    expect(c.outputs.all.map(valueIn)).toEqual(["saved"]);
  });

  it("reports a module that throws while it loads, with a mapped stack", async () => {
    await using c = await StubContainer.start({ source: `\nthrow new Error("no database");` });
    const { result } = await c.taskResults.next();
    expect(result).toMatchObject({ status: Status.FAILURE, exception: "Error: no database" });
    expect(result?.traceback).toMatch(/user\.ts:\d+:\d+/);
    expect(errorFromWire(decodePayload(result?.dataOneof.value as Uint8Array)).message).toBe("no database");
    expect((await c.exited).code).toBe(1);
    expect(c.stderr).toContain("no database");
    expect(c.calls).not.toContain("hello");
  });

  it("lists what is registered when its function is not", async () => {
    await using c = await StubContainer.start({ functionName: "g", source: `register("f", () => 1);` });
    const { result } = await c.taskResults.next();
    expect(result?.exception).toMatch(/no function "g" in app "demo": it registers demo\/f/);
    expect((await c.exited).code).toBe(1);
  });

  it("fails the input that an uncaught error comes from, not its neighbour, and exits 1", async () => {
    await using c = await StubContainer.start({
      slots: 2,
      source: `register("f", (bad) => new Promise(() => { if (bad) setTimeout(() => { throw new Error("boom"); }, 10); }));`,
    });
    c.send([false]);
    const bad = c.send([true]);
    expect(await c.outputs.next()).toMatchObject({ inputId: bad, result: { status: Status.FAILURE, exception: "Error: boom" } });
    expect((await c.exited).code).toBe(1);
    expect(c.outputs.all).toHaveLength(1);
    expect(c.stderr).toMatch(/boom[\s\S]*user\.ts/);
  });

  it("fails the input that calls process.exit and ends with its code", async () => {
    await using c = await StubContainer.start({ source: `register("f", () => { process.exit(7); });` });
    c.send([]);
    expect((await c.outputs.next()).result?.exception).toContain("process.exit(7)");
    expect((await c.exited).code).toBe(7);
  });
});
