import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { placeTree } from "./place-tree.ts";
import { RootfsView } from "./rootfs-view.ts";

describe("placeTree", () => {
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), "lydian-place-"));
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));

  it("never writes through a link that it has placed itself", async () => {
    const outside = join(dir, "outside");
    await mkdir(outside);
    for (const name of ["a", "c"]) {
      await mkdir(join(dir, name, "d"), { recursive: true });
      await writeFile(join(dir, name, "d/file"), name);
    }
    await mkdir(join(dir, "b"));
    await symlink(outside, join(dir, "b/d"));
    const placements = ["a", "b", "c"].map((name) => ({ from: join(dir, name), path: "/" }));
    await placeTree(join(dir, "layer"), placements, { view: new RootfsView([]) }, AbortSignal.timeout(10_000));
    expect(await readdir(outside)).toEqual([]);
    expect(await readFile(join(dir, "layer/d/file"), "utf8")).toBe("c");
  });

  it("follows the image's own links", async () => {
    await mkdir(join(dir, "image/usr/lib"), { recursive: true });
    await symlink("usr/lib", join(dir, "image/lib"));
    await mkdir(join(dir, "a/sub"), { recursive: true });
    await writeFile(join(dir, "a/sub/x"), "");
    await writeFile(join(dir, "a/y.md"), "");
    const view = new RootfsView([join(dir, "image")]);
    const skip = (path: string): boolean => path.endsWith(".md");
    await placeTree(join(dir, "layer"), [{ from: join(dir, "a"), path: "/lib" }], { view, skip }, AbortSignal.timeout(10_000));
    expect(await readdir(join(dir, "layer"))).toEqual(["usr"]);
    expect(await readdir(join(dir, "layer/usr/lib"))).toEqual(["sub"]);
  });
});
