import { describe, expect, it } from "vitest";
import { Freezer } from "./freezer.ts";

function freezer({ failing = false } = {}) {
  const done: string[] = [];
  let release: () => void = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const container = {
    async pause() {
      if (failing) throw new Error("cannot be frozen");
      await held;
      done.push("pause");
    },
    async resume() {
      done.push("resume");
    },
  };
  return { done, release, freezer: new Freezer(async () => container) };
}

describe("a freezer", () => {
  it("lets go on what was being frozen when somebody came", async () => {
    const { done, release, freezer: it } = freezer();
    const [frozen, thawed] = [it.freeze(), it.thaw()];
    release();
    await Promise.all([frozen, thawed]);
    expect(done).toEqual(["pause", "resume"]);
    expect(it.isFrozen).toBe(false);
  });

  it("asks again whether it is wanted when its turn has come", async () => {
    const { done, release, freezer: it } = freezer();
    let isWanted = true;
    const first = it.freeze();
    const thawed = it.thaw();
    const second = it.freeze(() => isWanted);
    isWanted = false;
    release();
    await Promise.all([first, thawed, second]);
    expect(done).toEqual(["pause", "resume"]);
  });

  it("does nothing twice", async () => {
    const { done, release, freezer: it } = freezer();
    release();
    await it.thaw();
    await it.freeze();
    await it.freeze();
    await it.thaw();
    await it.thaw();
    expect(done).toEqual(["pause", "resume"]);
  });

  it("is not frozen when that failed, and can be asked again", async () => {
    const { freezer: it } = freezer({ failing: true });
    await expect(it.freeze()).rejects.toThrow("cannot be frozen");
    expect(it.isFrozen).toBe(false);
    await it.thaw();
    await expect(it.freeze()).rejects.toThrow("cannot be frozen");
  });
});
