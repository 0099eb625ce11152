import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BaseImages, type ContainerHost, ImageBuilder, ImageError, LayerStore } from "@lydian/containers";
import {
  create,
  type Image,
  ImageDeleteRequestSchema,
  ImageGetOrCreateRequestSchema,
  ImageJoinStreamingRequestSchema,
  ImageSchema,
  type MessageInitShape,
  GenericResult_GenericStatus as Status,
} from "@lydian/protocol";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Blobs } from "../blobs/blobs.ts";
import { Contents } from "../blobs/contents.ts";
import { SignedUrls } from "../blobs/signed-urls.ts";
import { BlobStore } from "../blobs/store.ts";
import type { Database } from "../database/database.ts";
import { Mounts } from "../mounts/mounts.ts";
import { MountStore } from "../mounts/store.ts";
import { Images, type ImagesDependencies } from "./images.ts";
import { receiveRecipe, recipeKey } from "./recipe.ts";
import { createImagesRpc } from "./rpc.ts";
import { ImageStore } from "./store.ts";
import { testContext } from "./test-context.ts";
import { openTestDatabase, testSecrets } from "./test-database.ts";

/** Starts nothing: what runs in containers is for the system tests. */
const hostThatStartsNothing = (images: boolean): ContainerHost => ({
  name: images ? "oci" : "process",
  features: {
    isolation: false,
    limits: false,
    diskLimit: false,
    images,
    networkIsolation: false,
    pause: false,
    networkPolicy: false,
    snapshots: false,
    mounts: false,
    isolations: [],
    adoption: false,
    sharedNetwork: false,
  },
  runtime: "none",
  warm: async () => {},
  start: () => Promise.reject(new Error("nothing is started here")),
  commit: () => Promise.reject(new Error("nothing is committed here")),
  adopt: async () => undefined,
  sweep: async () => [],
  [Symbol.asyncDispose]: async () => {},
});

let dir: string;
let database: Database;
let open: (hasImages?: boolean) => Promise<{ images: Images; store: ImageStore }>;
let images: Images;
let runFunction: ImagesDependencies["runFunction"];
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "lydian-images-"));
  database = await openTestDatabase();
  runFunction = () => Promise.reject(new ImageError("step_failed", "no function is run here"));
  open = async (hasImages = false) => {
    const layers = await LayerStore.open({ dir: join(dir, "layers"), minFreeMiB: 1 });
    const contents = await Contents.open(join(dir, "contents"));
    const rights = new BlobStore(database);
    const blobs = new Blobs({ store: rights, contents, urls: new SignedUrls(Buffer.alloc(32)) });
    const mounts = new Mounts({ store: new MountStore(database), contents, rights, blobs, layers });
    const builder = new ImageBuilder({
      store: layers,
      host: hostThatStartsNothing(hasImages),
      bases: new BaseImages({ store: layers, hub: "never" }),
    });
    const store = new ImageStore(database);
    const parts = { store, builder, layers, contents, mounts, secrets: testSecrets(database) };
    return { images: new Images({ ...parts, runFunction: (...args) => runFunction(...args) }), store };
  };
  images = (await open()).images;
});
afterEach(async () => {
  await images.stop();
  database.close();
  await rm(dir, { recursive: true, force: true });
});

const rpc = () => createImagesRpc({ images, ownsApp: (appId, workspaceId) => appId === `ap-of-${workspaceId}` });
const recipe = (init: MessageInitShape<typeof ImageSchema>): Image => create(ImageSchema, init);
const get = async (
  init: MessageInitShape<typeof ImageSchema>,
  more: { forceBuild?: boolean; ignoreCache?: boolean; appId?: string; buildFunctionId?: string } = {},
  workspaceId = "ac-1",
) => {
  const answer = await rpc().imageGetOrCreate?.(
    create(ImageGetOrCreateRequestSchema, { image: recipe(init), ...more }),
    testContext({ workspaceId }),
  );
  return { id: answer?.imageId ?? "", status: answer?.result?.status, metadata: answer?.metadata };
};
const joined = async (imageId: string, init: { lastEntryId?: string; includeLogsForFinished?: boolean } = {}) => {
  const lines: string[] = [];
  let cursor = "";
  let end: { status?: number | undefined; exception?: string | undefined } | undefined;
  for await (const message of rpc().imageJoinStreaming?.(
    create(ImageJoinStreamingRequestSchema, { imageId, ...init }),
    testContext({ workspaceId: "ac-1" }),
  ) ?? []) {
    for (const log of message.taskLogs ?? []) lines.push((log.data ?? "").trimEnd());
    if (message.entryId) cursor = message.entryId;
    if (message.result) end = message.result;
  }
  return { lines, cursor, end };
};

const GOOD = { dockerfileCommands: ["FROM node:24-slim", "ENV A=1", "WORKDIR /srv"] };
const prepared = (baseId: string, definition: string) => ({
  baseImages: [{ dockerTag: "base", imageId: baseId }],
  buildFunction: { definition, globals: new Uint8Array([1]), input: { argsOneof: { case: "args" as const, value: new Uint8Array([2]) } } },
});
const BAD = { dockerfileCommands: ["FROM scratch", "RUN true"] };

describe("images", () => {
  it("answers at once when nothing has to be done, and again with the same image", async () => {
    const first = await get(GOOD);
    expect(first).toMatchObject({ status: Status.SUCCESS, metadata: { workdir: "/srv" } });
    expect((await get(GOOD)).id).toBe(first.id);
    expect(images.rootfs(first.id)).toMatchObject({ layers: [], env: { A: "1" }, workdir: "/srv" });
    expect((await joined(first.id)).end).toMatchObject({ status: Status.SUCCESS });
    expect((await (await open()).images).rootfs(first.id)?.env.A).toBe("1");
  });

  it("builds on images of the workspace, and shows none to another", async () => {
    const base = await get(GOOD);
    const onTop = { baseImages: [{ dockerTag: "base", imageId: base.id }], dockerfileCommands: ["FROM base", "ENV B=2"] };
    const child = await get(onTop);
    expect(images.rootfs(child.id)?.env).toMatchObject({ A: "1", B: "2" });
    await expect(get(onTop, {}, "ac-2")).rejects.toMatchObject({ code: "not_found" });
    expect(() => images.require(base.id, "ac-2")).toThrow(/Could not find image with ID/);
    expect((await get(GOOD, {}, "ac-2")).id).not.toBe(base.id);
  });

  it("deletes an image for its workspace alone; what was built on it stays, and its recipe gives another", async () => {
    const remove = (imageId: string, workspaceId = "ac-1") =>
      rpc().imageDelete?.(create(ImageDeleteRequestSchema, { imageId }), testContext({ workspaceId }));
    const base = await get(GOOD);
    const child = await get({ baseImages: [{ dockerTag: "base", imageId: base.id }], dockerfileCommands: ["FROM base", "ENV B=2"] });
    await expect(remove(base.id, "ac-2")).rejects.toMatchObject({
      code: "not_found",
      message: expect.stringContaining("No Image with ID"),
    });
    await remove(base.id);
    expect(() => images.require(base.id, "ac-1")).toThrow(`Could not find image with ID "${base.id}"`);
    expect(images.rootfs(base.id)).toBeUndefined();
    expect(images.rootfs(child.id)?.env).toMatchObject({ A: "1", B: "2" });
    expect((await get(GOOD)).id).not.toBe(base.id);
    await expect(remove(base.id)).rejects.toMatchObject({ code: "not_found" });
    await expect(remove("im-nonexistent")).rejects.toMatchObject({ code: "not_found" });
  });

  it("ends the build of an image that is deleted, and those who follow it are told", async () => {
    images = (await open(true)).images;
    let begun: () => void = () => {};
    const running = new Promise<void>((resolve) => {
      begun = resolve;
    });
    runFunction = async (_fn, _target, { signal }) => {
      begun();
      await new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    };
    const base = await get({ dockerfileCommands: ["FROM scratch"] });
    const { id } = await get(prepared(base.id, "def a"), { buildFunctionId: "fu-1" });
    const followed = expect(joined(id)).rejects.toMatchObject({ code: "not_found" });
    await running;
    expect(await images.delete(id, "ac-1")).toBe(true);
    await followed;
  });

  it("gives the entry point of an image with its files", async () => {
    const { id } = await get({ dockerfileCommands: ["FROM node:24-slim", 'ENTRYPOINT ["/enter", "now"]'] });
    expect(images.rootfs(id)?.entrypoint).toEqual(["/enter", "now"]);
    const without = await get({ baseImages: [{ dockerTag: "base", imageId: id }], dockerfileCommands: ["FROM base", "ENTRYPOINT []"] });
    expect(images.rootfs(without.id)?.entrypoint).toBeUndefined();
  });

  it("streams the log of a build that fails, then why, and tries again when asked again", async () => {
    images = (await open(true)).images;
    const { id, status } = await get(BAD);
    expect(status).toBeUndefined();
    const seen = await joined(id);
    expect(seen.lines).toContain("Step 2/2: RUN true");
    expect(seen.end).toMatchObject({
      status: Status.FAILURE,
      exception: expect.stringMatching(/RUN true.*could not be started: nothing is started here/),
    });
    expect((await joined(id, { lastEntryId: seen.cursor })).lines).toEqual([]);
    expect((await joined(id)).lines).toEqual(seen.lines);
    const again = await get(BAD);
    expect(again).toMatchObject({ id, status: undefined });
    await joined(id);
  });

  it("has a layer that a function makes, run once for equal functions", async () => {
    images = (await open(true)).images;
    const ran: string[] = [];
    runFunction = async ({ id }, target, { onLog }) => {
      ran.push(id);
      onLog({ stream: "stdout", text: "preparing" });
      await mkdir(target);
    };
    const base = await get({ dockerfileCommands: ["FROM scratch"] });
    const [first, second, other] = [prepared(base.id, "def a"), prepared(base.id, "def a"), prepared(base.id, "def b")];
    const made = await get(first, { buildFunctionId: "fu-1" });
    expect((await joined(made.id)).lines).toContain("preparing");
    expect(images.rootfs(made.id)?.layers).toHaveLength(1);
    expect(await get(second, { buildFunctionId: "fu-2" })).toMatchObject({ id: made.id, status: Status.SUCCESS });
    await joined((await get(other, { buildFunctionId: "fu-3" })).id);
    expect(ran).toEqual(["fu-1", "fu-3"]);
  });

  it("fails with what its function threw, and runs the function of the next request", async () => {
    images = (await open(true)).images;
    const base = await get({ dockerfileCommands: ["FROM scratch"] });
    const failed = await get(prepared(base.id, "def a"), { buildFunctionId: "fu-1" });
    expect((await joined(failed.id)).end).toMatchObject({ status: Status.FAILURE, exception: "no function is run here" });
    const ran: string[] = [];
    runFunction = async ({ id }, target) => {
      ran.push(id);
      await mkdir(target);
    };
    await joined((await get(prepared(base.id, "def a"), { buildFunctionId: "fu-2" })).id);
    expect(ran).toEqual(["fu-2"]);
  });

  it("goes on with a build that a killed server has left", async () => {
    const { store } = await open();
    const left = {
      id: "im-0000000000000000000001",
      workspaceId: "ac-1",
      recipeKey: "k",
      recipe: { lines: GOOD.dockerfileCommands, bases: {}, files: [], buildArgs: {} },
      builderVersion: "1",
      state: "building",
      result: undefined,
      failure: undefined,
      expiresAt: 0,
    } as const;
    await store.insert(left, true, 0);
    expect((await joined(left.id)).end).toMatchObject({ status: Status.SUCCESS });
    expect(images.rootfs(left.id)?.env.A).toBe("1");
  });

  it("keeps a forced build for later requests, and an uncached one only for its own", async () => {
    const first = await get(GOOD);
    const ignored = await get(GOOD, { ignoreCache: true });
    await joined(ignored.id);
    expect((await get(GOOD)).id).toBe(first.id);
    const forced = await get(GOOD, { forceBuild: true });
    await joined(forced.id);
    expect(new Set([first.id, ignored.id, forced.id]).size).toBe(3);
    expect((await get(GOOD)).id).toBe(forced.id);
    expect(images.rootfs(first.id)?.env.A).toBe("1");
  });

  it("takes secrets of its workspace, finds an image again by what they hold, and starts a lost build with those that are there", async () => {
    const secrets = testSecrets(database);
    const place = { workspaceId: "ac-1", environmentId: "en-1" };
    const secret = (variables: Record<string, string>) => secrets.createForApp(place, "ap-of-ac-1", variables, "");
    const [one, same, other] = [await secret({ A: "1" }), await secret({ A: "1" }), await secret({ A: "2" })];
    const first = await get({ ...GOOD, secretIds: [one.id] });
    expect((await get({ ...GOOD, secretIds: [same.id] })).id).toBe(first.id);
    const different = [await get({ ...GOOD, secretIds: [other.id] }), await get(GOOD)];
    expect(new Set([first.id, ...different.map(({ id }) => id)]).size).toBe(3);
    await expect(get({ ...GOOD, secretIds: ["st-nope"] })).rejects.toMatchObject({ code: "not_found" });
    const theirs = await secrets.createForApp({ workspaceId: "ac-2", environmentId: "en-2" }, "ap-2", { A: "1" }, "");
    await expect(get({ ...GOOD, secretIds: [theirs.id] })).rejects.toMatchObject({ code: "not_found" });

    const recipeOf = images.require(first.id, "ac-1").recipe;
    const { store } = await open();
    await store.restart(first.id, recipeOf);
    await secrets.delete(one);
    expect((await get({ ...GOOD, secretIds: [same.id] })).id).toBe(first.id);
    expect((await joined(first.id)).end).toMatchObject({ status: Status.SUCCESS });
    expect(images.require(first.id, "ac-1").recipe.secretIds).toEqual([same.id]);
  });

  it("refuses a recipe that cannot be built, with the line", async () => {
    await expect(get({ dockerfileCommands: ["FROM node:24-slim", "NOPE"] })).rejects.toMatchObject({
      code: "invalid_argument",
      message: expect.stringContaining("Line 2"),
    });
    await expect(get(BAD)).rejects.toMatchObject({
      code: "failed_precondition",
      message: expect.stringMatching(/needs containers with images/),
    });
    await expect(get({ dockerfileCommands: [] })).rejects.toMatchObject({ code: "invalid_argument" });
    await expect(get(GOOD, { appId: "ap-other" })).rejects.toMatchObject({ code: "not_found" });
    await expect(get({ ...GOOD, contextMountId: "mo-nope" })).rejects.toMatchObject({ code: "not_found" });
    expect((await get(GOOD, { appId: "ap-of-ac-1" })).status).toBe(Status.SUCCESS);
  });
});

describe("receiveRecipe", () => {
  it.each<[string, MessageInitShape<typeof ImageSchema>]>([
    ["gpu_config", { gpuConfig: { count: 1 } }],
    ["volume_mounts", { volumeMounts: [{}] }],
  ])("refuses %s by name", (field, init) => {
    expect(() => receiveRecipe(recipe({ ...GOOD, ...init }), "")).toThrow(new RegExp(`sets ${field}, which is not served`));
  });

  it("keeps context files inside of the context", () => {
    expect(receiveRecipe(recipe({ ...GOOD, contextFiles: [{ filename: "/.requirements.txt" }] }), "").recipe.files[0]?.path).toBe(
      "/.requirements.txt",
    );
    for (const filename of ["../x", "/a/../../x", "", "/", "a\0b"])
      expect(() => receiveRecipe(recipe({ ...GOOD, contextFiles: [{ filename }] }), "")).toThrow(/no path inside/);
  });

  it("gives one key to recipes that mean the same, and another to any that differs", () => {
    const key = (init: MessageInitShape<typeof ImageSchema>, mountChecksum?: string, secrets?: string) =>
      recipeKey(receiveRecipe(recipe({ ...GOOD, ...init }), "").recipe, { mountChecksum, secrets });
    // Which secrets does not count, what they hold does.
    expect(key({ secretIds: ["st-1"] }, undefined, "s")).toBe(key({ secretIds: ["st-2"] }, undefined, "s"));
    expect(key({ buildArgs: { a: "1", b: "2" } })).toBe(key({ buildArgs: { b: "2", a: "1" } }));
    const different = [
      key({}),
      key({}, "c"),
      key({}, undefined, "c"),
      key({ buildArgs: { a: "1" } }),
      key({ contextFiles: [{ filename: "x" }] }),
      key({ dockerfileCommands: ["FROM scratch"] }),
      key({ baseImages: [{ dockerTag: "base", imageId: "im-1" }] }),
    ];
    expect(new Set(different).size).toBe(different.length);
  });

  it("are adopted from layers that are there, once for a key, and end when their time is over", async () => {
    const result = { layers: ["a".repeat(32), "b".repeat(32)], config: { env: {} } };
    const adopt = (key: string, expiresAt: number) => images.adopt({ workspaceId: "ac-1", key, result, expiresAt });
    const id = await adopt("snapshot x", 0);
    expect(await adopt("snapshot x", 0)).toBe(id);
    expect(images.built(id, "ac-1")).toEqual(result);
    const short = await adopt("snapshot y", 1);
    expect(() => images.require(short, "ac-1")).toThrow(/Could not find image/);
    // The other one has its layer too.
    expect(await images.deleteExpired(() => false)).toEqual([]);
    const lonely = await images.adopt({ workspaceId: "ac-1", key: "z", result: { ...result, layers: ["c".repeat(32)] }, expiresAt: 1 });
    expect(await images.deleteExpired(() => true)).toEqual([]);
    expect(await images.deleteExpired(() => false)).toEqual(["c".repeat(32)]);
    expect(images.rootfs(lonely)).toBeUndefined();
  });
});
