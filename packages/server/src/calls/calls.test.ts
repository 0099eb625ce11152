import { BulkMapRequestSchema, create, DataFormat, GenericResult_GenericStatus as Status, unpackCallIds } from "@lydian/protocol";
import { afterEach, describe, expect, it } from "vitest";
import {
  FAILURE,
  inputOf,
  message,
  type Program,
  type Rig,
  type RigOptions,
  SUCCESS,
  spawnRequest,
  startRig,
  textOf,
} from "../pools/test-rig.ts";
import { MAX_AHEAD } from "./generator-data.ts";

let rigs: Rig[] = [];
async function start(options: RigOptions = {}): Promise<Rig> {
  const rig = await startRig(options);
  rigs.push(rig);
  return rig;
}
/** The same data directory after the process was killed. */
async function restart(rig: Rig, options: RigOptions = {}): Promise<Rig> {
  const dir = await rig.crash();
  rigs = rigs.filter((other) => other !== rig);
  const again = await start({ ...options, dir });
  await again.recover();
  return again;
}
afterEach(async () => {
  for (const rig of rigs) await rig.close();
  rigs = [];
});

const echo: Program = ({ serve }) => serve((item) => SUCCESS(textOf(item)));
const never: Program = async ({ start, hello, signal }) => {
  await start();
  await hello();
  await new Promise((resolve) => signal.addEventListener("abort", resolve));
};

describe("calls", () => {
  it("echoes the index of every input that it takes", async () => {
    const rig = await start({ program: never });
    const id = await rig.map([]);
    const inputs = [3, 1, 2].map((idx) => ({ idx, input: inputOf("x") }));
    const taken = await rig.modal.functionPutInputs?.(message({ functionCallId: id, inputs }), rig.client());
    expect(taken?.inputs?.map(({ idx }) => idx)).toEqual([3, 1, 2]);
    expect(new Set(taken?.inputs?.map(({ inputId }) => inputId)).size).toBe(3);
  });

  it("takes inputs that are sent again once", async () => {
    const rig = await start({ program: echo });
    const id = await rig.map(["a", "b"]);
    await rig.modal.functionPutInputs?.(message({ functionCallId: id, inputs: [{ idx: 1, input: inputOf("b") }] }), rig.client());
    expect(await rig.outputs(id, 2)).toHaveLength(2);
    expect((await rig.modal.functionCallFromId?.(message({ functionCallId: id }), rig.client()))?.numInputs).toBe(2);
  });

  it("gives a repeated request the call it made before, also after a restart", async () => {
    const rig = await start({ program: never });
    const headers = { "x-idempotency-key": "key-1" };
    const [first, same] = await Promise.all([rig.spawn("a", "fu-1", headers), rig.spawn("a", "fu-1", headers)]);
    expect(same).toBe(first);
    expect(await rig.spawn("a", "fu-1", { ...headers, "x-retry-attempt": "1" })).toBe(first);
    const again = await restart(rig, { program: never });
    expect(await again.spawn("a", "fu-1", { ...headers, "x-retry-attempt": "2" })).toBe(first);
    expect(await again.spawn("a", "fu-1", { "x-idempotency-key": "key-2" })).not.toBe(first);
  });

  it("refuses arguments that belong into a blob, with the limit", async () => {
    const rig = await start({ program: never });
    await rig.spawn("x".repeat(32 << 20));
    await expect(rig.spawn("x".repeat((32 << 20) + 1))).rejects.toMatchObject({
      code: "invalid_argument",
      message: "The arguments of input 0 have 33554433 bytes; at most 33554432 may be in the message.",
    });
    expect(rig.calls.lane("fu-1")).toMatchObject({ outstanding: 1 });
  });

  it("brings the output with the call when it is asked to wait, and the call alone when that takes longer", async () => {
    const rig = await start({ program: echo });
    const call = (text: string, lydianWait: number) =>
      rig.modal.functionMap?.({ ...spawnRequest(text), lydianWait }, rig.client()) ?? Promise.reject(new Error("not served"));
    const { lydianOutputs = [] } = await call("soon", 20);
    expect(lydianOutputs.map(({ idx, result }) => [idx, result?.status])).toEqual([[0, Status.SUCCESS]]);
    expect((await call("not asked", 0)).lydianOutputs ?? []).toEqual([]);
    rig.program = never;
    rig.define("fu-slow", {});
    const slow = await rig.modal.functionMap?.({ ...spawnRequest("slow", "fu-slow"), lydianWait: 0.05 }, rig.client());
    expect(slow?.functionCallId).toMatch(/^fc-/);
    expect(slow?.lydianOutputs).toEqual([]);
  });

  describe("when the disk is full", () => {
    const big = "x".repeat(1 << 20);
    const fill = (rig: Rig) => rig.database.prepare("PRAGMA max_page_count = 1").get();
    const free = (rig: Rig) => rig.database.prepare("PRAGMA max_page_count = 1000000").get();

    it("takes nothing, and gives up what a container was given ahead", async () => {
      const taken: string[] = [];
      const program: Program = ({ serve }) =>
        serve((item) => {
          taken.push(textOf(item));
          return SUCCESS("done");
        });
      const rig = await start({ program });
      await rig.output(await rig.spawn("first"));
      const id = await rig.map([]);
      fill(rig);
      const full = { code: "resource_exhausted", message: expect.stringContaining("full") };
      await expect(rig.spawn(big)).rejects.toMatchObject(full);
      const inputs = [{ idx: 0, input: inputOf(big) }];
      await expect(rig.modal.functionPutInputs?.(message({ functionCallId: id, inputs }), rig.client())).rejects.toMatchObject(full);
      free(rig);
      await rig.output(await rig.spawn("last"));
      expect(taken).toContain(big);
      expect(rig.calls.lane("fu-1")).toMatchObject({ outstanding: 0, outstandingBytes: 0, running: 0, finished: 2 });
      // What was refused can be sent again.
      await rig.modal.functionPutInputs?.(message({ functionCallId: id, inputs }), rig.client());
      expect(await rig.outputs(id, 1)).toEqual([{ idx: 0, status: Status.SUCCESS, text: "done" }]);
    });

    it("takes nothing of what no container was there for, or was cancelled at once", async () => {
      const rig = await start({ program: never });
      const id = await rig.map([]);
      fill(rig);
      const inputs = [{ idx: 0, input: inputOf(big) }];
      const put = rig.modal.functionPutInputs?.(message({ functionCallId: id, inputs }), rig.client());
      const cancel = rig.modal.functionCallCancel?.(message({ functionCallId: id }), rig.client());
      const [putOutcome, cancelOutcome] = await Promise.allSettled([put, cancel]);
      expect([putOutcome?.status, cancelOutcome?.status]).toEqual(["rejected", "rejected"]);
      free(rig);
      const lane = rig.calls.lane("fu-1");
      expect({ ...lane, queued: lane.queue.size }).toMatchObject({ outstanding: 0, outstandingBytes: 0, running: 0, queued: 0 });
      await rig.modal.functionPutInputs?.(message({ functionCallId: id, inputs }), rig.client());
      expect(lane.outstanding).toBe(1);
    });
  });

  it("makes many calls in one request, and the same ones when it is repeated", async () => {
    const rig = await start({ program: echo });
    const inputs = { format: DataFormat.CBOR, args: ["a", "b", "c"].map((text) => Buffer.from(text)) };
    const make = async (headers: Record<string, string>) => {
      const { calls } =
        (await rig.bulk.functionMap?.(create(BulkMapRequestSchema, { functionId: "fu-1", inputs }), rig.client(headers))) ?? {};
      return unpackCallIds(calls ?? new Uint8Array());
    };
    const ids = await make({ "x-idempotency-key": "k" });
    expect(await Promise.all(ids.map(async (id) => (await rig.output(id)).text))).toEqual(["a", "b", "c"]);
    expect(await make({ "x-idempotency-key": "k", "x-retry-attempt": "1" })).toEqual(ids);
  });

  it("keeps the cursor of a client valid over a restart, and every output once", async () => {
    const rig = await start({ program: echo });
    const texts = ["a", "b", "c", "d"];
    const id = await rig.map(texts);
    await rig.outputs(id, 4);
    const first = await rig.modal.functionGetOutputs?.(message({ functionCallId: id, maxValues: 2 }), rig.client());
    const again = await restart(rig, { program: echo });
    const rest = await again.modal.functionGetOutputs?.(message({ functionCallId: id, lastEntryId: first?.lastEntryId }), again.client());
    const idxs = [...(first?.outputs ?? []), ...(rest?.outputs ?? [])].map(({ idx }) => idx ?? -1);
    expect(idxs.sort()).toEqual([0, 1, 2, 3]);
    expect(rest?.numUnfinishedInputs).toBe(0);
  });

  it("runs again after a restart what was queued or running, and keeps what was done", async () => {
    let runs = 0;
    const rig = await start({
      definition: { concurrencyLimit: 1 },
      program: async (inside) => {
        await inside.start();
        await inside.hello();
        const [item] = await inside.fetch();
        if (item) await inside.put([{ item, result: SUCCESS("first process") }]);
        await inside.fetch();
        running();
        await new Promise((resolve) => inside.signal.addEventListener("abort", resolve));
      },
    });
    let running: () => void = () => {};
    const taken = new Promise<void>((resolve) => {
      running = resolve;
    });
    const id = await rig.map(["a", "b", "c"]);
    await taken;
    const again = await restart(rig, {
      program: ({ serve }) =>
        serve((item) => {
          runs++;
          return SUCCESS(`second process ${textOf(item)}`);
        }),
    });
    expect((await again.outputs(id, 3)).map(({ text }) => text)).toEqual(["first process", "second process b", "second process c"]);
    expect(runs).toBe(2);
  });

  it("goes on after a restart with the attempts that a retry policy has counted", async () => {
    const definition = { retryPolicy: { retries: 1, initialDelayMs: 50, backoffCoefficient: 1, maxDelayMs: 50 } };
    const rig = await start({
      definition,
      program: async (inside) => {
        await inside.start();
        await inside.hello();
        const [item] = await inside.fetch();
        if (item) await inside.put([{ item, result: FAILURE("one") }]);
        failed();
        await new Promise((resolve) => inside.signal.addEventListener("abort", resolve));
      },
    });
    let failed: () => void = () => {};
    const recorded = new Promise<void>((resolve) => {
      failed = resolve;
    });
    const id = await rig.spawn("a");
    await recorded;
    const again = await restart(rig, { definition, program: ({ serve }) => serve(() => FAILURE("two")) });
    expect(await again.output(id)).toEqual({ status: Status.FAILURE, text: "two" });
    expect(again.host.started).toBe(1);
  });

  it("terminates after a restart what belongs to a stopped app", async () => {
    const rig = await start({ program: never });
    const id = await rig.spawn("a");
    const dir = await rig.crash();
    rigs = [];
    const again = await start({ dir, program: never });
    again.liveApps.clear();
    await again.recover();
    expect((await again.output(id)).status).toBe(Status.TERMINATED);
  });

  it("reports every output with retry count 0 although the server retried", async () => {
    const rig = await start({
      definition: { retryPolicy: { retries: 1, initialDelayMs: 1, backoffCoefficient: 1, maxDelayMs: 1 } },
      program: ({ serve }) => serve((item) => (item.retryCount === 0 ? FAILURE("no") : SUCCESS("yes"))),
    });
    const id = await rig.spawn("a");
    const page = await rig.modal.functionGetOutputs?.(message({ functionCallId: id, timeout: 20, startIdx: 0, endIdx: 0 }), rig.client());
    expect(page?.outputs).toMatchObject([{ idx: 0, retryCount: 0, result: { status: Status.SUCCESS } }]);
  });

  it("answers a poll with nothing when its time is over, and counts what is unfinished", async () => {
    const rig = await start({ program: never });
    const id = await rig.map(["a", "b"]);
    const page = await rig.modal.functionGetOutputs?.(message({ functionCallId: id, timeout: 0 }), rig.client());
    expect(page).toMatchObject({ outputs: [], numUnfinishedInputs: 2, lastEntryId: "0-0" });
  });

  it("filters outputs by index", async () => {
    const rig = await start({ program: echo });
    const id = await rig.map(["a", "b", "c", "d"]);
    await rig.outputs(id, 4);
    const page = await rig.modal.functionGetOutputs?.(message({ functionCallId: id, startIdx: 1, endIdx: 2 }), rig.client());
    expect(page?.outputs?.map(({ idx }) => idx)).toEqual([1, 2]);
  });

  it("keeps a call after clear_on_success", async () => {
    const rig = await start({ program: echo });
    const id = await rig.map(["a"]);
    await rig.outputs(id, 1);
    await rig.modal.functionGetOutputs?.(message({ functionCallId: id, clearOnSuccess: true }), rig.client());
    const page = await rig.modal.functionGetOutputs?.(message({ functionCallId: id }), rig.client());
    expect(page?.outputs).toHaveLength(1);
  });

  it("answers polls at once while the server drains", async () => {
    const rig = await start({ program: never });
    const id = await rig.map(["a"]);
    const poll = rig.modal.functionGetOutputs?.(message({ functionCallId: id, timeout: 50 }), rig.client());
    rig.calls.drain();
    expect((await poll)?.outputs).toEqual([]);
  });

  it("refuses unknown calls, calls of others and bad cursors by name", async () => {
    const rig = await start({ program: never });
    const poll = (functionCallId: string, lastEntryId = "0-0") =>
      rig.modal.functionGetOutputs?.(message({ functionCallId, lastEntryId }), rig.client());
    await expect(poll("fc-0000000000000000000000")).rejects.toThrow('no function call "fc-0000000000000000000000"');
    const id = await rig.map([]);
    await expect(poll(id, "7")).rejects.toThrow('"7" is no cursor');
    await expect(rig.modal.functionMap?.(spawnRequest("a", "fu-none"), rig.client())).rejects.toThrow('no function "fu-none"');
  });

  it("takes no more inputs than its limit, and says when to come back", async () => {
    const rig = await start({ program: never, limits: { maxOutstandingInputs: 2 } });
    const id = await rig.map(["a", "b"]);
    const more = rig.modal.functionPutInputs?.(message({ functionCallId: id, inputs: [{ idx: 2, input: inputOf("c") }] }), rig.client());
    await expect(more).rejects.toMatchObject({ code: "resource_exhausted", retryAfterMs: 1000 });
  });

  it("finishes a map when its client says how many inputs there are", async () => {
    const rig = await start({ program: echo });
    const id = await rig.map(["a", "b"]);
    await expect(rig.modal.functionFinishInputs?.(message({ functionCallId: id, numInputs: 3 }), rig.client())).rejects.toThrow(
      "has 2 inputs",
    );
    await rig.modal.functionFinishInputs?.(message({ functionCallId: id, numInputs: 2 }), rig.client());
    await rig.outputs(id, 2);
    const more = rig.modal.functionPutInputs?.(message({ functionCallId: id, inputs: [{ idx: 2, input: inputOf("c") }] }), rig.client());
    await expect(more).rejects.toThrow("takes no more inputs");
    const info = await rig.modal.functionCallGetInfo?.(message({ functionCallId: id }), rig.client());
    expect(info?.info).toMatchObject({ totalInputs: 2, succeededInputs: { total: 2 }, pendingInputs: { total: 0 } });
  });

  it("reads from the journal what memory has no room for", async () => {
    const rig = await start({ program: echo, limits: { memoryBytes: 0, maxFinishedInputs: 1 } });
    const map = await rig.map(["x", "y"]);
    await rig.modal.functionFinishInputs?.(message({ functionCallId: map, numInputs: 2 }), rig.client());
    const texts = Array.from({ length: 12 }, (_, i) => `call ${i}`);
    const ids = await Promise.all(texts.map((text) => rig.spawn(text)));
    for (let round = 0; round < 2; round++) {
      for (const [at, id] of ids.entries()) expect((await rig.output(id)).text).toBe(texts[at]);
      expect((await rig.outputs(map, 2)).map(({ text }) => text)).toEqual(["x", "y"]);
    }
  });

  it("gives every call a turn, however many inputs another has", async () => {
    const order: string[] = [];
    const rig = await start({
      definition: { concurrencyLimit: 1 },
      program: ({ serve }) => {
        return gate.then(() =>
          serve((item) => {
            order.push(textOf(item));
            return SUCCESS("");
          }),
        );
      },
    });
    let open: () => void = () => {};
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    const big = await rig.map(["m0", "m1", "m2", "m3"]);
    const small = await rig.spawn("s");
    open();
    await rig.outputs(big, 4);
    await rig.output(small);
    expect(order.indexOf("s")).toBeLessThan(2);
  });
});

describe("generator values", () => {
  const generator = { functionType: 1, concurrencyLimit: 1 };
  const chunk = (index: number) => ({ index: BigInt(index), dataFormat: 4, dataOneof: { case: "data", value: Buffer.from(`v${index}`) } });

  async function read(rig: Rig, functionCallId: string, lastIndex: bigint, count: number): Promise<number[]> {
    const request = message<never>({ callInfo: { case: "functionCallId", value: functionCallId }, lastIndex });
    const indices: number[] = [];
    for await (const { index } of rig.modal.functionCallGetDataOut?.(request, rig.client()) ?? []) {
      indices.push(Number(index));
      if (indices.length === count) break;
    }
    return indices;
  }

  function yielding(count: number, note: (done: number) => void = () => {}): Program {
    return async (inside) => {
      await inside.start();
      await inside.hello();
      const [item] = await inside.fetch();
      if (item === undefined) return;
      const callInfo = { case: "functionCallId", value: item.functionCallId };
      const caller = () => inside.context();
      for (let at = 1; at <= count; at += 100) {
        const dataChunks = Array.from({ length: Math.min(100, count - at + 1) }, (_, place) => chunk(at + place));
        await inside.rig.modal.functionCallPutDataOut?.(message({ callInfo, dataChunks }), caller());
        // Sent again, as after a lost answer.
        await inside.rig.modal.functionCallPutDataOut?.(message({ callInfo, dataChunks }), caller());
        note(at + dataChunks.length - 1);
      }
      await inside.put([{ item, result: SUCCESS("done") }]);
      await inside.fetch();
    };
  }

  it("arrive in order, once, from wherever the client left off", async () => {
    const rig = await start({ definition: generator, program: yielding(250) });
    const id = await rig.spawn("a");
    const all = Array.from({ length: 250 }, (_, at) => at + 1);
    expect(await read(rig, id, 0n, 100)).toEqual(all.slice(0, 100));
    expect(await read(rig, id, 100n, 150)).toEqual(all.slice(100));
    expect((await rig.output(id)).text).toBe("done");
    expect(await read(rig, id, 200n, 1000)).toEqual(all.slice(200));
  });

  it("hold their generator back when nobody reads them", async () => {
    let sent = 0;
    const rig = await start({
      definition: generator,
      program: yielding(5000, (done) => {
        sent = done;
      }),
    });
    const id = await rig.spawn("a");
    expect(await read(rig, id, 0n, 10)).toHaveLength(10);
    while (sent < MAX_AHEAD - 200) await new Promise((resolve) => setImmediate(resolve));
    for (let turn = 0; turn < 200; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect(sent).toBeLessThanOrEqual(MAX_AHEAD + 200);
    expect(await read(rig, id, 10n, 4990)).toHaveLength(4990);
    expect((await rig.output(id)).text).toBe("done");
  });

  it("are not yielded twice: a generator that has yielded is not run again", async () => {
    const rig = await start({
      definition: { ...generator, retryPolicy: { retries: 3, initialDelayMs: 1, backoffCoefficient: 1, maxDelayMs: 1 } },
      program: async (inside) => {
        await inside.start();
        await inside.hello();
        const [item] = await inside.fetch();
        if (item === undefined) return;
        const callInfo = { case: "functionCallId", value: item.functionCallId };
        await inside.rig.modal.functionCallPutDataOut?.(message({ callInfo, dataChunks: [chunk(1)] }), inside.context());
        await inside.put([{ item, result: FAILURE("after a value") }]);
        await inside.fetch();
      },
    });
    expect(await rig.output(await rig.spawn("a"))).toEqual({ status: Status.FAILURE, text: "after a value" });
    expect(rig.host.started).toBe(1);
  });
});
