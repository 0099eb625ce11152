import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { canonical, layerKey } from "./keys.ts";
import { LayerStore } from "./layer-store.ts";

let dir: string;
let store: LayerStore;
const id = layerKey({ test: 1 });
beforeEach(async () => {
  dir = join(await mkdtemp(join(tmpdir(), "lydian-layers-")), "layers");
  store = await LayerStore.open({ dir, minFreeMiB: 1 });
});
afterEach(() => rm(join(dir, ".."), { recursive: true, force: true }));

const withFile = async (target: string): Promise<void> => {
  await mkdir(target);
  await writeFile(join(target, "file"), "x");
};
const leftovers = (): Promise<string[]> => readdir(join(dir, ".tmp"));

describe("LayerStore", () => {
  it("publishes a layer once and finds it again, also after reopening", async () => {
    expect(await store.has(id)).toBe(false);
    expect(await store.make(id, withFile)).toBe("made");
    expect(await store.make(id, () => Promise.reject(new Error("never run")))).toBe("cached");
    expect(await (await LayerStore.open({ dir })).has(id)).toBe(true);
    expect(await readdir(store.path(id))).toEqual(["file"]);
    expect(await leftovers()).toEqual([]);
  });

  it("leaves nothing of a layer that fails, and tries again", async () => {
    const failing = async (target: string): Promise<void> => {
      await withFile(target);
      throw new Error("broken");
    };
    await expect(store.make(id, failing)).rejects.toThrow("broken");
    expect(await store.has(id)).toBe(false);
    expect(await leftovers()).toEqual([]);
    expect(await store.make(id, withFile)).toBe("made");
  });

  it("runs once for all who want the same layer at the same time", async () => {
    let runs = 0;
    let go = (): void => {};
    const wait = new Promise<void>((resolve) => {
      go = resolve;
    });
    const slow = async (target: string): Promise<void> => {
      runs += 1;
      await wait;
      await withFile(target);
    };
    const first = store.make(id, slow);
    const shared = new Promise<void>((resolve) => void store.make(id, slow, { onShared: resolve }).then(() => {}));
    await shared;
    go();
    expect(await first).toBe("made");
    expect(runs).toBe(1);
  });

  it("goes on for others when one leaves, and stops when all have left", async () => {
    const hanging = (started: () => void) => async (_: string, signal: AbortSignal) => {
      started();
      await new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    };
    const [one, two] = [new AbortController(), new AbortController()];
    let second: Promise<unknown> = Promise.resolve();
    const started = new Promise<void>((resolve) => {
      second = store.make(id, hanging(resolve), { signal: two.signal });
    });
    await started;
    const first = store.make(id, withFile, { signal: one.signal, onShared: () => one.abort() });
    await expect(first).rejects.toMatchObject({ kind: "cancelled" });
    two.abort(new Error("gone"));
    await expect(second).rejects.toMatchObject({ kind: "cancelled" });
    expect(await leftovers()).toEqual([]);
  });

  it("sweeps what a dead process has left, and nothing of one that lives", async () => {
    const alive = await store.temporary();
    await mkdir(join(dir, ".tmp", "999999999-1-dead"));
    await mkdir(join(dir, ".tmp", `${process.pid}-1-an-earlier-process`));
    await LayerStore.open({ dir });
    expect(await leftovers()).toEqual([alive.split("/").at(-1)]);
  });

  it("refuses to begin with too little space, and says how much there is", async () => {
    const tight = await LayerStore.open({ dir, minFreeMiB: 2 ** 40 });
    await expect(tight.make(id, withFile)).rejects.toMatchObject({ kind: "disk_full", message: expect.stringMatching(/\d+ MiB are free/) });
  });

  it("refuses ids that are paths", () => {
    expect(() => store.path("../../etc")).toThrow(/not a layer id/);
  });
});

describe("canonical", () => {
  it("does not depend on the order of keys or on undefined members", () => {
    expect(canonical({ a: 1, b: [{ d: "x", c: null }] })).toBe(canonical({ b: [{ c: null, d: "x" }], a: 1, e: undefined }));
    expect(layerKey({ a: 1 })).not.toBe(layerKey({ a: "1" }));
  });
});
