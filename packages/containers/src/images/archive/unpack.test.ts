import { execFileSync } from "node:child_process";
import { lstat, mkdir, mkdtemp, readdir, readFile, readlink, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ImageError } from "../errors.ts";
import { readTar } from "./tar-reader.ts";
import { type TestEntry, testTar } from "./test-tar.ts";
import { safeComponents, unpackTar } from "./unpack.ts";

let dir: string;
let into: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "lydian-unpack-"));
  into = join(dir, "root");
  await mkdir(into);
});
afterEach(() => rm(dir, { recursive: true, force: true }));

/** In small pieces, as a network would. */
async function* pieces(data: Buffer, size = 700): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < data.length; at += size) yield data.subarray(at, at + size);
}

const unpack = (entries: readonly TestEntry[], options: { strip?: number; whiteouts?: string } = {}) =>
  unpackTar(pieces(testTar(entries)), { into, ...options });

describe("unpackTar", () => {
  it("writes files, directories and links", async () => {
    const long = "x/".repeat(80);
    await unpack([
      { path: "bin/", type: "directory", mode: 0o755 },
      { path: "./bin/tool", content: "#!/bin/sh\n", mode: 0o755 },
      { path: "bin/link", type: "symlink", link: "tool" },
      { path: "bin/hard", type: "hardlink", link: "bin/tool" },
      { path: `${long}ä`, content: "deep" },
    ]);
    expect(await readFile(join(into, "bin/tool"), "utf8")).toBe("#!/bin/sh\n");
    expect((await stat(join(into, "bin/tool"))).mode & 0o777).toBe(0o755);
    expect(await readlink(join(into, "bin/link"))).toBe("tool");
    expect((await stat(join(into, "bin/hard"))).nlink).toBe(2);
    expect(await readFile(join(into, `${long}ä`), "utf8")).toBe("deep");
  });

  it("reads what GNU tar writes", async () => {
    await writeFile(join(dir, `${"n".repeat(120)}.txt`), "long name");
    for (const format of ["gnu", "pax", "ustar"]) {
      const name = format === "ustar" ? "root" : `${"n".repeat(120)}.txt`;
      const archive = execFileSync("tar", [`--format=${format}`, "-c", name], { cwd: dir });
      const paths: string[] = [];
      for await (const { entry } of readTar(pieces(archive))) paths.push(entry.path);
      expect(paths[0]).toContain(name);
    }
  });

  it("removes leading components and leaves out what is not wanted", async () => {
    await unpackTar(pieces(testTar([{ path: "package/a", content: "a" }, { path: "package/docs/b" }])), {
      into,
      strip: 1,
      accept: (path) => !path.startsWith("docs/"),
    });
    expect(await readdir(into)).toEqual(["a"]);
  });

  it("lets a later entry replace an earlier one", async () => {
    await unpack([
      { path: "a/b", content: "1" },
      { path: "a", content: "file" },
    ]);
    expect(await readFile(join(into, "a"), "utf8")).toBe("file");
  });

  it.each<[string, readonly TestEntry[]]>([
    ["a path with ..", [{ path: "../evil" }]],
    ["a .. in the middle", [{ path: "a/../../evil" }]],
    ["a file through a link of the archive", [{ path: "out", type: "symlink", link: "/tmp" }, { path: "out/evil" }]],
    [
      "a directory through a link of the archive",
      [
        { path: "out", type: "symlink", link: ".." },
        { path: "out/evil/", type: "directory" },
      ],
    ],
    ["a hard link to a file outside", [{ path: "evil", type: "hardlink", link: "../../../etc/passwd" }]],
    [
      "a hard link through a link",
      [
        { path: "out", type: "symlink", link: "/etc" },
        { path: "evil", type: "hardlink", link: "out/passwd" },
      ],
    ],
    ["a hard link to nothing", [{ path: "evil", type: "hardlink", link: "nothing" }]],
  ])("refuses %s", async (_, entries) => {
    await expect(unpack(entries)).rejects.toThrow(ImageError);
    expect(await readdir(dir)).toEqual(["root"]);
  });

  it("keeps absolute paths inside and replaces a link instead of writing through it", async () => {
    await unpack([
      { path: "/etc/x", content: "in" },
      { path: "l", type: "symlink", link: join(dir, "outside") },
      { path: "l", content: "new" },
    ]);
    expect(await readFile(join(into, "etc/x"), "utf8")).toBe("in");
    expect((await lstat(join(into, "l"))).isFile()).toBe(true);
    expect(await readdir(dir)).toEqual(["root"]);
  });

  it("never writes outside, whatever the archive says", async () => {
    const component = fc.constantFrom("a", "b", "..", ".", "l", "");
    const path = fc.array(component, { minLength: 1, maxLength: 4 }).map((parts) => parts.join("/"));
    const entry = fc.record({
      path,
      type: fc.constantFrom("file", "directory", "symlink", "hardlink" as const),
      link: path,
      content: fc.constant("x"),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(entry, { maxLength: 6 }), async (entries) => {
        await rm(into, { recursive: true, force: true });
        await mkdir(into);
        await unpack(entries as TestEntry[]).catch((error: unknown) => expect(error).toBeInstanceOf(ImageError));
        expect(await readdir(dir)).toEqual(["root"]);
      }),
      { numRuns: 60 },
    );
  });

  it("refuses what is no archive, or only a part of one", async () => {
    const whole = testTar([{ path: "a", content: "x".repeat(2000) }]);
    await expect(unpackTar(pieces(Buffer.alloc(1024, 7)), { into })).rejects.toThrow(/not a tar archive|octal/);
    await expect(unpackTar(pieces(whole.subarray(0, 2048)), { into })).rejects.toThrow(/ends in the middle/);
  });
});

describe("safeComponents", () => {
  it("never gives a component that leads elsewhere", () => {
    fc.assert(
      fc.property(fc.string(), (path) => {
        try {
          for (const component of safeComponents(path)) expect(["", ".", ".."]).not.toContain(component);
        } catch (error) {
          expect(error).toBeInstanceOf(ImageError);
        }
      }),
    );
  });
});
