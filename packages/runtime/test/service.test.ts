import { decodePayload, encodePayload, type FunctionPutOutputsItem, GenericResult_GenericStatus as Status } from "@lydian/protocol";
import { describe, expect, it } from "vitest";
import { StubContainer } from "./stub-server.ts";

function valueIn(output: FunctionPutOutputsItem): unknown {
  const data = output.result?.dataOneof;
  return data?.case === "data" ? decodePayload(data.value) : undefined;
}

const COUNTER = `
registerClass("Counter", async (args) => {
  const [{ from }] = args;
  if (from < 0) throw new RangeError("cannot count from " + from);
  let at = from;
  const methods = new Map(Object.entries({
    next: { handler: async (by) => (at += by), isGenerator: false },
    down: { handler: function* () { while (at > 0) yield at--; }, isGenerator: true },
  }));
  return { methods, stop: async () => { console.log("left at " + at); if (at === 13) throw new Error("bad luck"); } };
});`;
const counter = (from: number) => ({
  source: COUNTER,
  functionName: "Counter.*",
  start: { classArguments: encodePayload([{ from }]) },
});

describe("a container of a class", () => {
  it("has one instance, whose methods it finds by name", async () => {
    await using c = await StubContainer.start(counter(10));
    c.send([1], { method: "next" });
    expect(valueIn(await c.outputs.next())).toBe(11);
    c.send([1], { method: "next" });
    expect(valueIn(await c.outputs.next())).toBe(12);
    c.send([], { method: "down" });
    await c.outputs.next();
    expect(c.chunkRequests.flat()).toHaveLength(12);
    c.send([], { method: "up" });
    expect((await c.outputs.next()).result?.exception).toContain('the class Counter has no method "up"; it has: next, down');
  });

  it("cannot start when its constructor or an enter hook throws, and shows where", async () => {
    await using c = await StubContainer.start(counter(-1));
    const { result } = await c.taskResults.next();
    expect(result?.exception).toBe("RangeError: cannot count from -1");
    expect(result?.traceback).toMatch(/user\.ts:\d+:\d+/);
    expect((await c.exited).code).toBe(1);
    expect(c.calls).not.toContain("hello");
  });

  it.each(["kill switch", "SIGTERM"] as const)("runs the exit hooks when it ends by %s, after the last answer", async (how) => {
    await using c = await StubContainer.start(counter(0));
    c.send([5], { method: "next" });
    await c.outputs.next();
    if (how === "SIGTERM") c.signal("SIGTERM");
    else c.sendKillSwitch();
    expect((await c.exited).code).toBe(0);
    expect(c.stdout).toBe("left at 5\n");
  });

  it("tells of an exit hook that fails", async () => {
    await using c = await StubContainer.start(counter(13));
    c.sendKillSwitch();
    expect((await c.exited).code).toBe(0);
    expect(c.stderr).toMatch(/an exit hook failed: Error: bad luck\n.*user\.ts/);
  });
});

describe("a container that batches", () => {
  const batching = { start: { batchMaxSize: 3, batchLingerMs: 50 }, slots: 3 };

  it("calls the handler once with a list for each parameter, and answers each input", async () => {
    await using c = await StubContainer.start({
      ...batching,
      source: `register("f", async (xs, ys) => xs.map((x, i) => ({ x, y: ys[i] ?? "none", together: xs.length })));`,
    });
    for (const args of [[1, "a"], [2], [3, "c"], [4, "d"]]) c.send(args);
    const values = [];
    for (let i = 0; i < 4; i++) values.push(valueIn(await c.outputs.next()) as { together: number });
    const pairs = values.map(({ together: _, ...pair }) => pair);
    expect(pairs).toEqual([
      { x: 1, y: "a" },
      { x: 2, y: "none" },
      { x: 3, y: "c" },
      { x: 4, y: "d" },
    ]);
    expect(Math.max(...values.map(({ together }) => together))).toBeGreaterThan(1);
    expect([...c.lingers]).toEqual([50]);
    expect(Math.max(...c.asked.all)).toBe(3);
  });

  it.each([
    ["undefined", "a value of type undefined"],
    ["[1, 2, 3, 4, 5]", "an array of 5"],
    ["null", "null"],
  ])("fails each input when the handler returns %s", async (returned, text) => {
    await using c = await StubContainer.start({ ...batching, source: `register("f", () => (${returned}));` });
    c.send([1]);
    const { result } = await c.outputs.next();
    expect(result?.exception).toMatch(`the batched handler was given 1 input and returned ${text}`);
  });

  it("fails one input alone for what is wrong with it alone, and all for what the handler throws", async () => {
    await using c = await StubContainer.start({
      ...batching,
      start: { batchMaxSize: 2, batchLingerMs: 0 },
      source: `
        register("f", (xs) => { if (xs.includes(7)) throw new Error("seven"); return xs.map((x) => x === 1 ? () => 1 : x); }, { params: ["x"] });`,
    });
    const [bad, good] = [c.send([1]), c.send([], { named: { y: 1 } })];
    const results = new Map<string, FunctionPutOutputsItem>();
    for (const _ of [bad, good]) {
      const output = await c.outputs.next();
      results.set(output.inputId, output);
    }
    expect(results.get(bad)?.result?.exception).toContain("SerializationError");
    expect(results.get(good)?.result?.exception).toContain('there is no parameter "y"');
    c.send([7]);
    expect((await c.outputs.next()).result).toMatchObject({ status: Status.FAILURE, exception: "Error: seven" });
    c.send([8]);
    expect(valueIn(await c.outputs.next())).toBe(8);
  });

  it("aborts the signal of a batch when all its inputs are cancelled", async () => {
    await using c = await StubContainer.start({
      ...batching,
      source: `register("f", (xs) => new Promise((resolve) => { const { signal, inputId } = context(); console.log(inputId);
        signal.addEventListener("abort", () => { console.log("aborted"); resolve(xs); }); }));`,
    });
    const id = c.send([1]);
    while (!c.stdout.includes(id)) await new Promise((resolve) => setImmediate(resolve));
    c.cancel(id);
    expect((await c.outputs.next()).result?.status).toBe(Status.TERMINATED);
    c.sendKillSwitch();
    expect((await c.exited).code).toBe(0);
    expect(c.stdout).toBe(`${id}\naborted\n`);
  });
});
