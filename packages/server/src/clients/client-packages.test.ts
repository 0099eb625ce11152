import { ImageError, type ImagePython } from "@lydian/containers";
import { describe, expect, it } from "vitest";
import { ClientPackages, type ClientPackagesOptions } from "./client-packages.ts";

const DEBIAN: ImagePython = { version: "3.11.2", libc: "glibc 2.36", executable: "/usr/local/bin/python" };

describe("the package of an official client", () => {
  it("is a layer for the image's Python, made once", async () => {
    const { packages, built } = make({ python: DEBIAN });
    const made = await Promise.all([packages.layer("1.6.4", "im-1"), packages.layer("1.6.4", "im-2")]);
    expect(made).toEqual(Array(2).fill({ layer: "/layers/top", python: "/usr/local/bin/python" }));
    expect(built).toHaveLength(1);
    expect(built[0]?.[0]).toBe("FROM python:3.11-slim");
    expect(built[0]?.[1]).toContain("modal==1.6.4");
  });

  it("is another one for another version, minor version of Python or C library", async () => {
    const pythons: ImagePython[] = [DEBIAN, DEBIAN, { ...DEBIAN, version: "3.13.1" }, { ...DEBIAN, libc: "musl 1.2.5" }];
    const { packages, built } = make({ python: () => pythons.shift() });
    for (const version of ["1.6.4", "1.5.5", "1.6.4", "1.6.4"]) await packages.layer(version, "im-1");
    expect(new Set(built.map(([from, run]) => `${from} ${run}`)).size).toBe(4);
    expect(built[3]?.[1]).toContain("musllinux_1_2");
  });

  it("is not to be had for an image without Python, or with one that no client runs on", async () => {
    await expect(make({ python: undefined }).packages.layer("1.6.4", "im-1")).rejects.toMatchObject({
      code: "failed_precondition",
      message: expect.stringContaining("im-1 has no Python"),
    });
    await expect(make({ python: { ...DEBIAN, version: "3.9.2" } }).packages.layer("1.6.4", "im-1")).rejects.toMatchObject({
      message: expect.stringContaining("3.10 to 3.15"),
    });
  });

  it("names a version that does not exist, and is tried again", async () => {
    const { packages, built } = make({
      python: DEBIAN,
      output: "ERROR: No matching distribution found for modal==9.9.9",
      error: new ImageError("step_failed", "step 2 failed"),
    });
    for (let attempt = 1; attempt <= 2; attempt++) {
      await expect(packages.layer("9.9.9", "im-1")).rejects.toMatchObject({
        code: "failed_precondition",
        message: expect.stringContaining("no version 9.9.9"),
      });
      expect(built).toHaveLength(attempt);
    }
  });
});

function make(options: { python: ImagePython | undefined | (() => ImagePython | undefined); output?: string; error?: Error }) {
  const built: (readonly string[])[] = [];
  const build: ClientPackagesOptions["build"] = async (lines, onLog) => {
    built.push(lines);
    if (options.output !== undefined) onLog({ stream: "stderr", text: options.output });
    if (options.error !== undefined) throw options.error;
    return ["bottom", "top"];
  };
  const python = async () => (typeof options.python === "function" ? options.python() : options.python);
  const packages = new ClientPackages({ build, path: (layer) => `/layers/${layer}`, python, log: () => {} });
  return { packages, built };
}
