import { describe, expect, it } from "vitest";
import { HIGH_WATER_BYTES, OutputQueue } from "./output-queue.ts";

function queue() {
  const calls: string[] = [];
  return { calls, queue: new OutputQueue({ pause: () => calls.push("pause"), resume: () => calls.push("resume") }) };
}
const chunk = (bytes: number) => ({ stream: "stdout" as const, data: new Uint8Array(bytes) });

describe("the output queue", () => {
  it("pauses its producer when the reader is behind and resumes it when it has caught up", async () => {
    const { calls, queue: output } = queue();
    output.push(chunk(HIGH_WATER_BYTES));
    expect(calls).toEqual([]);
    output.push(chunk(1));
    expect(calls).toEqual(["pause"]);
    output.end();
    let bytes = 0;
    for await (const each of output) bytes += each.data.byteLength;
    expect(bytes).toBe(HIGH_WATER_BYTES + 1);
    expect(calls).toContain("resume");
  });

  it("takes in the rest without pausing once the process has ended", () => {
    const { calls, queue: output } = queue();
    output.takeRest();
    output.push(chunk(HIGH_WATER_BYTES * 2));
    expect(calls).toEqual(["resume"]);
  });

  it("has one reader", async () => {
    const { queue: output } = queue();
    output.end();
    for await (const _ of output);
    await expect(output[Symbol.asyncIterator]().next()).rejects.toThrow("one reader");
  });

  it("drops everything once discarded", async () => {
    const { queue: output } = queue();
    output.push(chunk(10));
    output.discard();
    output.push(chunk(10));
    for await (const _ of output) expect.fail("it was dropped");
  });
});
