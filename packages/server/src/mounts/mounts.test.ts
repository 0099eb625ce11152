import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LayerStore } from "@lydian/containers";
import { create, LydianError, MountGetOrCreateRequestSchema, MountPutFileRequestSchema, ObjectCreationType } from "@lydian/protocol";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Blobs } from "../blobs/blobs.ts";
import { Contents } from "../blobs/contents.ts";
import { SignedUrls } from "../blobs/signed-urls.ts";
import { BlobStore } from "../blobs/store.ts";
import type { Database } from "../database/database.ts";
import { testContext } from "../images/test-context.ts";
import { openTestDatabase } from "../images/test-database.ts";
import { checkFileList, checksumOf } from "./file-list.ts";
import { Mounts } from "./mounts.ts";
import { createMountsRpc } from "./rpc.ts";
import { MountStore } from "./store.ts";

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

let dir: string;
let database: Database;
let blobs: Blobs;
let mounts: Mounts;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "lydian-mounts-"));
  database = await openTestDatabase();
  const rights = new BlobStore(database);
  const contents = await Contents.open(join(dir, "contents"));
  blobs = new Blobs({ store: rights, contents, urls: new SignedUrls(Buffer.alloc(32)) });
  mounts = new Mounts({
    store: new MountStore(database),
    contents,
    rights,
    blobs,
    layers: await LayerStore.open({ dir: join(dir, "layers"), minFreeMiB: 1 }),
  });
});
afterEach(async () => {
  database.close();
  await rm(dir, { recursive: true, force: true });
});

const put = (text: string, workspaceId = "ac-1") => mounts.putFile(workspaceId, sha256(text), { data: Buffer.from(text) });
const file = (filename: string, text: string, mode?: number) => ({
  filename,
  sha256Hex: sha256(text),
  ...(mode === undefined ? {} : { mode }),
});

describe("mounts", () => {
  it("asks only for what the workspace has not sent yet", async () => {
    await put("a");
    expect(mounts.missing("ac-1", [sha256("a"), sha256("b"), sha256("b")])).toEqual([sha256("b")]);
    expect(mounts.missing("ac-2", [sha256("a")])).toEqual([sha256("a")]);
  });

  it("refuses bytes that have another hash, inline and from a blob", async () => {
    await expect(mounts.putFile("ac-1", sha256("a"), { data: Buffer.from("b") })).rejects.toMatchObject({ code: "invalid_argument" });
    const blobId = await blobs.put("ac-1", Buffer.from("big"));
    await expect(mounts.putFile("ac-1", sha256("a"), { blobId })).rejects.toMatchObject({ code: "invalid_argument" });
    await expect(mounts.putFile("ac-2", sha256("big"), { blobId })).rejects.toMatchObject({ code: "not_found" });
    await mounts.putFile("ac-1", sha256("big"), { blobId });
    expect(mounts.missing("ac-1", [sha256("big")])).toEqual([]);
  });

  it("gives equal files one mount of a workspace, whatever their order", async () => {
    await Promise.all([put("a"), put("b"), put("a", "ac-2"), put("b", "ac-2")]);
    const one = await mounts.getOrCreate("ac-1", [file("/app/a", "a"), file("/app/b", "b")]);
    const two = await mounts.getOrCreate("ac-1", [file("/app/b", "b"), file("/app/a", "a", 0o644)]);
    const other = await mounts.getOrCreate("ac-2", [file("/app/a", "a"), file("/app/b", "b")]);
    expect(two).toEqual(one);
    expect(other.id).not.toBe(one.id);
    expect(() => mounts.require(one.id, "ac-2")).toThrow(/There is no mount/);
  });

  it("names the first file whose content is missing", async () => {
    await put("a");
    await expect(mounts.getOrCreate("ac-1", [file("/app/a", "a"), file("/app/b", "b")])).rejects.toMatchObject({
      code: "failed_precondition",
      message: expect.stringContaining('"/app/b"'),
    });
  });

  it("links the files below a prefix, executable when their mode says so", async () => {
    await Promise.all([put("main"), put("tool")]);
    const { id } = await mounts.getOrCreate("ac-1", [
      file("/app/main.mjs", "main"),
      file("/app/bin/tool", "tool", 0o755),
      file("/root/other", "main"),
    ]);
    const target = join(dir, "app");
    await mkdir(target);
    await mounts.linkInto(id, "/app/", target);
    expect((await readdir(target, { recursive: true })).sort()).toEqual(["bin", "bin/tool", "main.mjs"]);
    expect(await readFile(join(target, "main.mjs"), "utf8")).toBe("main");
    expect((await stat(join(target, "main.mjs"))).nlink).toBe(2);
    expect((await stat(join(target, "bin/tool"))).mode & 0o777).toBe(0o555);
  });

  it("makes a layer with the files at their paths, which does not widen /root or hide /lib", async () => {
    await put("x");
    const { id } = await mounts.getOrCreate("ac-1", [file("/root/a", "x"), file("/lib/b", "x", 0o755)]);
    const layer = await mounts.layer(id);
    expect(await mounts.layer(id)).toBe(layer);
    expect((await readdir(layer, { recursive: true })).sort()).toEqual(["root", "root/a", "usr", "usr/lib", "usr/lib/b"]);
    expect((await stat(join(layer, "root"))).mode & 0o777).toBe(0o700);
    expect((await stat(join(layer, "usr/lib/b"))).mode & 0o777).toBe(0o755);
  });
});

describe("the mount calls", () => {
  const rpc = () => createMountsRpc({ mounts });

  it("answers a put without data with whether the content is there", async () => {
    const ask = async () =>
      (await rpc().mountPutFile?.(create(MountPutFileRequestSchema, { sha256Hex: sha256("a") }), testContext({ workspaceId: "ac-1" })))
        ?.exists;
    expect(await ask()).toBe(false);
    await put("a");
    expect(await ask()).toBe(true);
  });

  it("refuses named mounts and unknown ways to create one", async () => {
    const ask = async (init: { deploymentName?: string; objectCreationType?: ObjectCreationType }) =>
      rpc().mountGetOrCreate?.(create(MountGetOrCreateRequestSchema, init), testContext({ workspaceId: "ac-1" }));
    await expect(ask({ deploymentName: "modal-client-mount" })).rejects.toMatchObject({ code: "not_found" });
    await expect(ask({ objectCreationType: ObjectCreationType.CREATE_IF_MISSING })).rejects.toMatchObject({ code: "invalid_argument" });
  });
});

describe("checkFileList", () => {
  it.each([
    ["relative", "not an absolute path"],
    ["/a/../b", '".."'],
    ["/a//b", 'normalised; "/a/b"'],
    ["/a/", 'normalised; "/a"'],
    ["/./a", "normalised"],
    ["/a\0", "zero byte"],
    ["/", "normalised"],
    [`/${"x".repeat(256)}`, "255 bytes"],
  ])("refuses %j", (path, message) => expect(() => checkFileList([file(path, "a")])).toThrow(message));

  it("refuses a path twice, and one that is a directory too", () => {
    expect(() => checkFileList([file("/a", "1"), file("/a", "2")])).toThrow(/twice/);
    expect(() => checkFileList([file("/a/b", "1"), file("/a", "2"), file("/a-b", "3")])).toThrow(/"\/a" is a file and/);
    expect(() => checkFileList([{ filename: "/a", sha256Hex: "X" }])).toThrow(/SHA-256/);
  });

  it("takes any list or says why not, and its order means nothing", () => {
    const name = fc.constantFrom("a", "b", "..", "", "c d");
    const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((parts) => `/${parts.join("/")}`);
    fc.assert(
      fc.property(fc.uniqueArray(path, { maxLength: 6 }), (paths) => {
        try {
          const list = checkFileList(paths.map((one) => file(one, one)));
          expect(checksumOf(checkFileList([...paths].reverse().map((one) => file(one, one))))).toBe(checksumOf(list));
          for (const { path: checked } of list) expect(checked).not.toMatch(/\/\.\.|\/\/|\/$/);
        } catch (error) {
          expect(error).toBeInstanceOf(LydianError);
        }
      }),
    );
  });
});
