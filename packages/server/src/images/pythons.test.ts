import { describe, expect, it } from "vitest";
import { Pythons } from "./pythons.ts";

const image = { layers: [], config: { env: {} } };
const python = { version: "3.13.5", libc: "glibc 2.41", executable: "/usr/bin/python3" };

describe("Pythons", () => {
  it("asks an image once, however many want to know at the same time", async () => {
    let asked = 0;
    const pythons = new Pythons(async () => {
      asked += 1;
      return python;
    });
    expect(await Promise.all([pythons.of("im-1", image), pythons.of("im-1", image)])).toEqual([python, python]);
    expect(await pythons.of("im-2", image)).toEqual(python);
    expect(asked).toBe(2);
  });

  it("asks again when no container could be started", async () => {
    const answers = [Promise.reject(new Error("no container")), Promise.resolve(undefined)];
    const pythons = new Pythons(() => answers.shift() ?? Promise.resolve(python));
    await expect(pythons.of("im-1", image)).rejects.toThrow("no container");
    expect(await pythons.of("im-1", image)).toBeUndefined();
  });
});
