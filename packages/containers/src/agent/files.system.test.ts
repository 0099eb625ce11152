import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import {
  appendFile,
  chown,
  link,
  lstat,
  mkdir,
  open,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  unlink,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { AgentFiles, FileContent, FileEvent, FileWatch } from "./agent-files.ts";
import { startTestAgent, type TestAgent } from "./testing.ts";

let test: TestAgent;
let files: AgentFiles;
let dir = "";
let next = 0;
beforeAll(async () => {
  test = await startTestAgent();
  files = test.agent.files;
});
beforeEach(async () => {
  dir = join(test.dir, `t${next++}`);
  await mkdir(dir);
});
afterAll(() => test?.[Symbol.asyncDispose]());

const at = (...names: string[]) => join(dir, ...names);
async function all(content: FileContent): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of content.data) parts.push(part);
  return Buffer.concat(parts);
}
const leftovers = async () => (await readdir(dir)).filter((name) => name.includes("lydian"));

describe("reading", () => {
  it("gives size and content, or a range of it", async () => {
    const data = randomBytes(3 << 20);
    await writeFile(at("f"), data);
    const content = await files.read(at("f"));
    expect([content.size, content.mode & 0o777]).toEqual([3 << 20, 0o644]);
    expect((await all(content)).equals(data)).toBe(true);
    expect((await all(await files.read(at("f"), { offset: 1_000_000, length: 70_000 }))).equals(data.subarray(1_000_000, 1_070_000))).toBe(
      true,
    );
    expect(await all(await files.read(at("f"), { offset: 1 << 30 }))).toHaveLength(0);
    expect((await all(await files.read("/proc/self/status"))).toString()).toContain("VmRSS");
    expect(await all(await files.read("/dev/zero", { length: 10 }))).toEqual(Buffer.alloc(10));
  });

  it("refuses with the kernel's reason", async () => {
    await truncate(at("sparse"), 6 * 2 ** 30).catch(async () => {
      const file = await open(at("sparse"), "w");
      await file.truncate(6 * 2 ** 30);
      await file.close();
    });
    await symlink("loop", at("loop"));
    const code = (path: string, largestBytes?: number) =>
      files.read(path, largestBytes === undefined ? {} : { largestBytes }).catch((error) => error.code);
    expect(await code(at("sparse"), 5 * 2 ** 30)).toBe("EFBIG");
    expect(await code(dir)).toBe("EISDIR");
    expect(await code(at("none"))).toBe("ENOENT");
    expect(await code(at("sparse", "x"))).toBe("ENOTDIR");
    expect(await code(at("loop"))).toBe("ELOOP");
    expect(await code("relative")).toBe("EINVAL");
    expect(await code(`/${"x".repeat(5_000)}`)).toBe("ENAMETOOLONG");
    await expect(files.read(at("none"))).rejects.toThrow(`${at("none")} could not be read: no such file or directory (ENOENT).`);
  });

  it("stops when the reader does", async () => {
    const content = await files.read("/dev/zero");
    for await (const _ of content.data) break;
    const controller = new AbortController();
    const aborted = await files.read("/dev/zero", { signal: controller.signal });
    await expect(
      (async () => {
        for await (const _ of aborted.data) controller.abort(new Error("enough"));
      })(),
    ).rejects.toThrow("enough");
  });
});

describe("writing", () => {
  it("makes files with their parents, replaces, and takes nothing at all", async () => {
    await files.write(at("a/b/c"), Buffer.from("one"));
    expect(await readFile(at("a/b/c"), "utf8")).toBe("one");
    await files.write(at("a/b/c"), Buffer.from("t"));
    expect(await readFile(at("a/b/c"), "utf8")).toBe("t");
    await files.write(at("empty"), new Uint8Array());
    expect((await stat(at("empty"))).size).toBe(0);
    await files.write(at("tool"), Buffer.from("x"), { mode: 0o750 });
    expect((await stat(at("tool"))).mode & 0o777).toBe(0o750);
    expect(await leftovers()).toEqual([]);
  });

  it("takes a stream of 50 MB", async () => {
    const block = randomBytes(1 << 20);
    await files.write(
      at("big"),
      (async function* () {
        for (let index = 0; index < 50; index++) yield block;
      })(),
    );
    const file = await open(at("big"));
    expect((await file.stat()).size).toBe(50 << 20);
    const last = Buffer.alloc(1 << 20);
    await file.read(last, 0, 1 << 20, 49 << 20);
    await file.close();
    expect(last.equals(block)).toBe(true);
  });

  it("keeps owner, mode and the link that led there", async () => {
    await writeFile(at("target"), "old", { mode: 0o600 });
    await chown(at("target"), 123, 456);
    await symlink("target", at("link"));
    await symlink(at("made"), at("dangling"));
    await files.write(at("link"), Buffer.from("new"));
    await files.write(at("dangling"), Buffer.from("new"));
    expect(await readFile(at("target"), "utf8")).toBe("new");
    expect(await readlink(at("link"))).toBe("target");
    const { mode, uid, gid } = await stat(at("target"));
    expect([mode & 0o777, uid, gid]).toEqual([0o600, 123, 456]);
    expect(await readFile(at("made"), "utf8")).toBe("new");
  });

  it("leaves nothing of an upload that was given up or failed", async () => {
    await writeFile(at("f"), "old");
    const failing = async function* () {
      yield randomBytes(1 << 20);
      throw new Error("the source broke");
    };
    await expect(files.write(at("f"), failing())).rejects.toThrow("the source broke");
    const controller = new AbortController();
    const endless = async function* () {
      for (let index = 0; ; index++) {
        if (index === 20) controller.abort(new Error("given up"));
        yield Buffer.alloc(100_000);
      }
    };
    await expect(files.write(at("new"), endless(), { signal: controller.signal })).rejects.toThrow("given up");
    await expect.poll(leftovers, { timeout: 10_000 }).toEqual([]);
    expect(await readFile(at("f"), "utf8")).toBe("old");
    expect(existsSync(at("new"))).toBe(false);
  });

  it("refuses with the kernel's reason, also in the middle", async () => {
    await writeFile(at("f"), "x");
    const code = (path: string, data: Uint8Array = new Uint8Array(1)) => files.write(path, data).catch((error) => error.code);
    expect(await code(dir)).toBe("EISDIR");
    expect(await code(at("f", "x"))).toBe("ENOTDIR");
    expect(await code(at("f", "x", "y"))).toBe("ENOTDIR");
    expect(await code(at("new/"))).toBe("EISDIR");
    expect(await code("/proc/lydian")).toMatch(/ENOENT|EACCES|EPERM/);
    expect(await code("/dev/full", new Uint8Array(10 << 20))).toBe("ENOSPC");
  });
});

describe("looking", () => {
  it("lists by name, with links as links", async () => {
    await writeFile(at("b"), "12345", { mode: 0o640 });
    await mkdir(at("a"));
    await symlink("../nowhere", at("c"));
    await writeFile(Buffer.concat([Buffer.from(`${dir}/`), Buffer.from([0xff, 0x41])]), "");
    await symlink(dir, `${dir}-link`);
    const entries = await files.list(`${dir}-link`);
    expect(entries.map((entry) => [entry.name.toString("latin1"), entry.type, entry.linkTarget?.toString()])).toEqual([
      ["a", "directory", undefined],
      ["b", "file", undefined],
      ["c", "symlink", "../nowhere"],
      ["\xffA", "file", undefined],
    ]);
    const seen = await lstat(at("b"));
    expect(entries[1]).toMatchObject({ size: 5, mode: seen.mode, uid: 0, gid: 0, owner: "root", group: "root" });
    expect(entries[1]?.modifiedTime).toBeCloseTo(seen.mtimeMs / 1000, 2);
    await expect(files.list(at("b"))).rejects.toMatchObject({ code: "ENOTDIR" });
    await expect(files.list(at("none"))).rejects.toMatchObject({ code: "ENOENT" });
  });

  it("lists 20,000 entries", async () => {
    spawnSync("sh", ["-c", "seq -w 1 20000 | xargs touch"], { cwd: dir });
    const entries = await files.list(dir);
    expect(entries).toHaveLength(20_000);
    expect(entries[9_999]?.name.toString()).toBe("10000");
  });

  it("does not follow the last link unless told to", async () => {
    await writeFile(at("f"), "12345");
    await chown(at("f"), 54_321, 65_534);
    await symlink("f", at("link"));
    expect(await files.stat(at("link"))).toMatchObject({ type: "symlink", name: Buffer.from("link"), linkTarget: Buffer.from("f") });
    expect(await files.stat(at("link"), { follow: true })).toMatchObject({ type: "file", size: 5, owner: "54321", group: "nogroup" });
    expect(await files.stat("/")).toMatchObject({ type: "directory", name: Buffer.from("/") });
    await expect(files.stat(at("f", "x"))).rejects.toMatchObject({ code: "ENOTDIR" });
    await expect(files.stat(at("none"))).rejects.toMatchObject({ code: "ENOENT" });
  });
});

describe("changing the tree", () => {
  it("makes directories", async () => {
    await writeFile(at("f"), "");
    await files.makeDirectory(at("one"), { mode: 0o700 });
    expect((await stat(at("one"))).mode & 0o777).toBe(0o700);
    await files.makeDirectory(at("x/y/z/"), { parents: true });
    await files.makeDirectory(at("x/y/z"), { parents: true });
    const code = (path: string, parents: boolean) => files.makeDirectory(path, { parents }).catch((error) => error.code);
    expect(await code(at("x"), false)).toBe("EEXIST");
    expect(await code(at("f"), true)).toBe("EEXIST");
    expect(await code(at("p/q"), false)).toBe("ENOENT");
    expect(await code(at("f/q/r"), true)).toBe("ENOTDIR");
  });

  it("removes, without following links", async () => {
    await mkdir(at("keep/below"), { recursive: true });
    await writeFile(at("keep/below/f"), "");
    await mkdir(at("tree/a/b"), { recursive: true });
    await symlink("../../keep", at("tree/a/link"));
    await symlink("/", at("tree/root"));
    await link(at("keep/below/f"), at("tree/f"));
    await symlink("keep", at("link"));
    const code = (path: string, recursive = false) => files.remove(path, { recursive }).catch((error) => error.code);
    expect(await code(at("tree"))).toBe("ENOTEMPTY");
    expect(await code(at("none"))).toBe("ENOENT");
    expect(await code("/", true)).toBe("EBUSY");
    await files.remove(at("tree"), { recursive: true });
    await files.remove(`${at("link")}/`, { recursive: true });
    expect(await readdir(dir)).toEqual(["keep"]);
    expect(existsSync(at("keep/below/f"))).toBe(true);
  });

  it("removes a tree that is deeper than any path", async () => {
    const program = "import os\nfor i in range(3000):\n  open('f', 'w').close(); os.mkdir('d' * 10); os.chdir('d' * 10)";
    expect(spawnSync("python3", ["-c", program], { cwd: dir }).status).toBe(0);
    await files.remove(at("f"));
    await files.remove(at("dddddddddd"), { recursive: true });
    expect(await readdir(dir)).toEqual([]);
  });

  it("renames and copies", async () => {
    await mkdir(at("tree/sub"), { recursive: true });
    await writeFile(at("tree/sub/f"), "content", { mode: 0o711 });
    await symlink("/etc/passwd", at("tree/link"));
    await files.copy(at("tree"), at("copy"), { recursive: true });
    expect(await readFile(at("copy/sub/f"), "utf8")).toBe("content");
    expect((await stat(at("copy/sub/f"))).mode & 0o777).toBe(0o711);
    expect(await readlink(at("copy/link"))).toBe("/etc/passwd");
    await files.rename(at("copy/sub/f"), at("moved"));
    await files.copy(at("moved"), at("again"));
    expect((await readdir(dir)).sort()).toEqual(["again", "copy", "moved", "tree"]);
    // /dev/shm is another file system.
    const elsewhere = `/dev/shm/ly-agent-${process.pid}`;
    await files.rename(at("tree"), elsewhere);
    expect(await readFile(join(elsewhere, "sub/f"), "utf8")).toBe("content");
    await rm(elsewhere, { recursive: true });
    expect(existsSync(at("tree"))).toBe(false);
    await expect(files.copy(at("copy"), at("x"))).rejects.toMatchObject({ code: "EISDIR" });
    await expect(files.copy(at("copy"), at("copy/in/itself"), { recursive: true })).rejects.toMatchObject({ code: "EINVAL" });
    await expect(files.copy(at("moved"), at("moved"))).rejects.toMatchObject({ code: "EINVAL" });
    await expect(files.copy(at("none"), at("x"))).rejects.toMatchObject({ code: "ENOENT", step: "file" });
    await expect(files.rename(at("moved"), at("no/where"))).rejects.toMatchObject({ code: "ENOENT" });
  });
});

describe("watching", () => {
  /** What happened up to the creation of `stop`, as words; what tells of opening and closing left out. */
  async function events(watch: FileWatch, stop: string): Promise<string[]> {
    const seen: string[] = [];
    const words = (event: FileEvent) => `${event.kind} ${event.paths.map((path) => path.toString().slice(dir.length + 1)).join(" ")}`;
    for await (const event of watch) {
      if (event.kind === "access") continue;
      const text = words(event);
      if (text === `create ${stop}`) break;
      if (seen.at(-1) !== text) seen.push(text);
    }
    return seen;
  }

  it("tells of a directory's entries, and not of what is below", async () => {
    await mkdir(at("sub"));
    const watch = await files.watch(dir);
    await writeFile(at("f"), "x");
    await appendFile(at("f"), "y");
    await writeFile(at("sub/below"), "x");
    await rename(at("f"), at("g"));
    await rename(at("g"), join(test.dir, "outside"));
    await rename(join(test.dir, "outside"), at("h"));
    await unlink(at("h"));
    await writeFile(at("stop"), "");
    expect(await events(watch, "stop")).toEqual(["create f", "modify f", "rename f g", "rename-from g", "rename-to h", "remove h"]);
  });

  it("tells of all that is below, also in directories that come later", async () => {
    await mkdir(at("a/b"), { recursive: true });
    const watch = await files.watch(dir, { recursive: true });
    const iterator = watch[Symbol.asyncIterator]();
    const until = async (wanted: string) => {
      for (;;) {
        const { value, done } = await iterator.next();
        if (done === true) throw new Error(`It ended before ${wanted}`);
        if (`${value.kind} ${value.paths.map((path: Buffer) => path.toString().slice(dir.length + 1)).join(" ")}` === wanted) return;
      }
    };
    await writeFile(at("a/b/f"), "x");
    await until("create a/b/f");
    await mkdir(at("n/m"), { recursive: true });
    await until("create n/m");
    await writeFile(at("n/m/f"), "x");
    await until("create n/m/f");
    await rename(at("n"), at("o"));
    await until("rename n o");
    await writeFile(at("o/m/g"), "x");
    await until("create o/m/g");
    watch.close();
  });

  it("watches one file, also when it is replaced, through a link", async () => {
    await writeFile(at("f"), "x");
    await symlink("f", at("link"));
    const watch = await files.watch(at("link"));
    await writeFile(at("other"), "x");
    await files.write(at("f"), Buffer.from("new"));
    await appendFile(at("f"), "y");
    const seen: string[] = [];
    for await (const event of watch) {
      seen.push(event.kind);
      if (event.kind === "modify") break;
      expect(event.paths.at(-1)?.toString()).toBe(at("link"));
    }
    expect(seen).toContain("rename-to");
  });

  it("ends when it is told to, and refuses what is not there", async () => {
    const watch = await files.watch(dir);
    const seen = (async () => {
      for await (const _ of watch);
      return "ended";
    })();
    watch.close();
    expect(await seen).toBe("ended");
    await expect(files.watch(at("none"))).rejects.toMatchObject({ code: "ENOENT" });
  });
});

describe("a file that stays open", () => {
  const text = async (parts: AsyncIterable<Uint8Array>) => {
    let whole = "";
    for await (const part of parts) whole += Buffer.from(part).toString();
    return whole;
  };

  it("reads and writes at a position", async () => {
    using file = await files.open(at("f"), "w+");
    await file.write(Buffer.from("one\ntwo\nthree"));
    await file.seek(0, "start");
    expect(await text(file.readLine())).toBe("one\n");
    expect(await text(file.read(2))).toBe("tw");
    await file.seek(-5, "end");
    await file.write(Buffer.from("T"));
    await file.seek(-1, "current");
    expect(await text(file.readLine())).toBe("Three");
    expect(await text(file.readLine())).toBe("");
    expect(await readFile(at("f"), "utf8")).toBe("one\ntwo\nThree");
    await file.seek(1 << 20, "start");
    const large = randomBytes(1 << 20);
    await file.write(large);
    await file.seek(1 << 20, "start");
    const parts: Uint8Array[] = [];
    for await (const part of file.read()) parts.push(part);
    expect(Buffer.concat(parts).equals(large)).toBe(true);
  });

  it("appends, makes anew, empties, and leaves alone, as its mode says", async () => {
    await writeFile(at("f"), "old");
    const write = async (mode: "a" | "r+" | "w" | "x", data: string, name = "f") => {
      using file = await files.open(at(name), mode);
      await file.write(Buffer.from(data));
    };
    await write("a", "er");
    expect(await readFile(at("f"), "utf8")).toBe("older");
    await write("r+", "b");
    expect(await readFile(at("f"), "utf8")).toBe("blder");
    await write("w", "new");
    expect(await readFile(at("f"), "utf8")).toBe("new");
    await expect(write("x", "no")).rejects.toMatchObject({ code: "EEXIST" });
    await write("x", "yes", "g");
    expect((await stat(at("g"))).mode & 0o777).toBe(0o644);
    const code = (path: string, mode: "r" | "w" = "r") => files.open(path, mode).catch((error) => error.code);
    expect([await code(at("none")), await code(dir), await code(at("f", "x"), "w"), await code("relative")]).toEqual([
      "ENOENT",
      "EISDIR",
      "ENOTDIR",
      "EINVAL",
    ]);
  });

  it("is still open after a request that failed, and answers in order", async () => {
    await writeFile(at("f"), "content");
    using file = await files.open(at("f"), "r");
    await expect(file.write(Buffer.from("x"))).rejects.toMatchObject({ code: "EBADF" });
    await expect(file.seek(-1, "start")).rejects.toMatchObject({ code: "EINVAL" });
    const [first, , second] = await Promise.all([text(file.read(3)), file.seek(-2, "end"), text(file.read())]);
    expect([first, second]).toEqual(["con", "nt"]);
    file.close();
    await expect(file.seek(0, "start")).rejects.toMatchObject({ code: "ECONNRESET" });
  });

  it("does not wait for the other end of a pipe", async () => {
    expect(spawnSync("mkfifo", [at("pipe")]).status).toBe(0);
    using file = await files.open(at("pipe"), "r");
    expect(await text(file.read())).toBe("");
    await expect(files.open(at("pipe"), "w")).resolves.toBeDefined();
    file.close();
  });
});
