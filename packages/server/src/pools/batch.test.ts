import { afterEach, describe, expect, it } from "vitest";
import { type Rig, SUCCESS, startRig, textOf } from "./test-rig.ts";

let rig: Rig | undefined;
afterEach(async () => {
  await rig?.close();
  rig = undefined;
});

/** A container that fetches batches like the official runtime does. */
async function batching(max: number, lingerMs: number) {
  const batches: string[][] = [];
  const made = await startRig({
    definition: { runtime: "", mountIds: ["mo-client"], batchMaxSize: max, batchLingerMs: BigInt(lingerMs), concurrencyLimit: 1 },
    program: async ({ start, context, put, rig, signal }) => {
      await start();
      while (!signal.aborted) {
        const request = { batchMaxSize: max, batchLingerMs: BigInt(lingerMs) } as never;
        const { inputs = [] } = (await rig.modal.functionGetInputs?.(request, context())) ?? {};
        if (inputs.some(({ killSwitch }) => killSwitch)) return;
        if (inputs.length === 0) continue;
        batches.push(inputs.map(textOf));
        await put(inputs.map((item) => ({ item, result: SUCCESS(textOf(item)) })));
      }
    },
  });
  rig = made;
  return { rig: made, batches };
}

describe("a batch", () => {
  it("is handed out when it is full, in the order of the inputs", async () => {
    const { rig, batches } = await batching(4, 60_000);
    await rig.outputs(await rig.map(["a", "b", "c", "d", "e", "f", "g", "h"]), 8);
    expect(batches).toEqual([
      ["a", "b", "c", "d"],
      ["e", "f", "g", "h"],
    ]);
  });

  it("takes inputs that come while it waits", async () => {
    const { rig, batches } = await batching(3, 60_000);
    const calls = [await rig.spawn("a")];
    await expect.poll(() => rig.calls.lane("fu-1").running).toBe(1);
    calls.push(await rig.spawn("b"), await rig.spawn("c"));
    for (const call of calls) await rig.output(call);
    expect(batches).toEqual([["a", "b", "c"]]);
  });

  it("is handed out as it is when it has waited long enough", async () => {
    const { rig, batches } = await batching(10, 5);
    expect((await rig.output(await rig.spawn("alone"))).text).toBe("alone");
    expect(batches).toEqual([["alone"]]);
  });
});
