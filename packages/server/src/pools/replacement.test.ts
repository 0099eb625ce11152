import { afterEach, describe, expect, it } from "vitest";
import { type Rig, SUCCESS, startRig, textOf } from "./test-rig.ts";

let rig: Rig | undefined;
afterEach(async () => {
  await rig?.close();
  rig = undefined;
});

/** A pool with one container that holds the input "old" until it is let go. */
async function busy() {
  const gate: { open?: () => void } = {};
  const opened = new Promise<void>((resolve) => {
    gate.open = resolve;
  });
  const servedBy = new Map<string, string>();
  const made = await startRig({
    definition: { concurrencyLimit: 1 },
    program: ({ serve, taskId }) =>
      serve(async (item) => {
        servedBy.set(textOf(item), taskId);
        if (textOf(item) === "old") await opened;
        return SUCCESS(textOf(item));
      }),
  });
  rig = made;
  const old = await made.spawn("old");
  await expect.poll(() => servedBy.size).toBe(1);
  return { rig: made, old, servedBy, letGo: () => gate.open?.() };
}

describe("a function that is published with another definition", () => {
  it("is served by new containers, while the old ones finish what they run", async () => {
    const { rig, old, servedBy, letGo } = await busy();
    rig.define("fu-1", { concurrencyLimit: 1 }, "de-2");
    rig.pools.ensure("fu-1");
    // Not kept waiting by the old container, though the function may have only one.
    expect((await rig.output(await rig.spawn("new"))).text).toBe("new");
    letGo();
    expect((await rig.output(old)).text).toBe("old");
    expect(servedBy.get("new")).not.toBe(servedBy.get("old"));
    await expect.poll(() => rig.host.existing).toBe(1);
  });

  it("keeps its containers when the definition is the same", async () => {
    const { rig, old, servedBy, letGo } = await busy();
    rig.define("fu-1", { concurrencyLimit: 1 });
    rig.pools.ensure("fu-1");
    letGo();
    await rig.output(old);
    await rig.output(await rig.spawn("next"));
    expect(servedBy.get("next")).toBe(servedBy.get("old"));
  });

  it("replaces a container that waits", async () => {
    const { rig, old, servedBy, letGo } = await busy();
    letGo();
    await rig.output(old);
    rig.define("fu-1", { concurrencyLimit: 1 }, "de-2");
    rig.pools.ensure("fu-1");
    await rig.output(await rig.spawn("next"));
    expect(servedBy.get("next")).not.toBe(servedBy.get("old"));
  });
});

describe("a function that is no longer one of its app", () => {
  it("keeps no containers, and serves calls by its id", async () => {
    rig = await startRig({ definition: { autoscalerSettings: { minContainers: 1, scaledownWindow: 0 } } });
    rig.pools.ensure("fu-1");
    await expect.poll(() => rig?.host.existing).toBe(1);
    rig.pools.unlist("fu-1");
    await expect.poll(() => rig?.host.existing).toBe(0);
    expect((await rig.output(await rig.spawn("late"))).text).toBe("late!");
  });
});
