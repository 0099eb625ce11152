// What the SDK sends for an image with steps and local files, built in real containers.
import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BaseImages, type ContainerHost, createHost, ImageBuilder, LayerStore } from "@lydian/containers";
import {
  create,
  ImageGetOrCreateRequestSchema,
  ImageJoinStreamingRequestSchema,
  ImageSchema,
  type MessageInitShape,
  GenericResult_GenericStatus as Status,
} from "@lydian/protocol";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { shareTestLayers } from "../../../containers/src/images/testing.ts";
import { Blobs } from "../blobs/blobs.ts";
import { Contents } from "../blobs/contents.ts";
import { SignedUrls } from "../blobs/signed-urls.ts";
import { BlobStore } from "../blobs/store.ts";
import type { Database } from "../database/database.ts";
import { Mounts } from "../mounts/mounts.ts";
import { MountStore } from "../mounts/store.ts";
import { Images } from "./images.ts";
import { createImagesRpc } from "./rpc.ts";
import { ImageStore } from "./store.ts";
import { testContext } from "./test-context.ts";
import { openTestDatabase, testSecrets } from "./test-database.ts";

const reason = process.platform !== "linux" || process.getuid?.() !== 0 ? "not root on Linux" : undefined;
if (reason !== undefined) console.log(`skipped: images of the server (${reason})`);

describe.skipIf(reason !== undefined)("images of the server", () => {
  let dir: string;
  let host: ContainerHost;
  let database: Database;
  let images: Images;
  let mounts: Mounts;
  const run = String(process.hrtime.bigint());

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), "lydian-images-"));
    await shareTestLayers(dir);
    host = await createHost({ kind: "oci", stateDir: join(dir, "host") });
    database = await openTestDatabase();
    const layers = await LayerStore.open({ dir: join(dir, "layers") });
    const contents = await Contents.open(join(dir, "contents"));
    const rights = new BlobStore(database);
    const blobs = new Blobs({ store: rights, contents, urls: new SignedUrls(Buffer.alloc(32)) });
    mounts = new Mounts({ store: new MountStore(database), contents, rights, blobs, layers });
    const builder = new ImageBuilder({ store: layers, host, bases: new BaseImages({ store: layers, hub: "never" }) });
    const runFunction = async () => undefined;
    images = new Images({
      store: new ImageStore(database),
      builder,
      layers,
      contents,
      mounts,
      secrets: testSecrets(database),
      runFunction,
    });
  });
  afterAll(async () => {
    await images.stop();
    await host[Symbol.asyncDispose]();
    database.close();
    await rm(dir, { recursive: true, force: true });
  });

  const rpc = () => createImagesRpc({ images, ownsApp: () => true });
  const build = async (image: MessageInitShape<typeof ImageSchema>, appId = "", onLine: (line: string) => void = () => {}) => {
    const context = testContext({ workspaceId: "ac-1" });
    const answer = await rpc().imageGetOrCreate?.(
      create(ImageGetOrCreateRequestSchema, { image: create(ImageSchema, image), appId }),
      context,
    );
    const imageId = answer?.imageId ?? "";
    const lines: string[] = [];
    for await (const message of rpc().imageJoinStreaming?.(
      create(ImageJoinStreamingRequestSchema, { imageId, includeLogsForFinished: true }),
      context,
    ) ?? []) {
      for (const { data = "" } of message.taskLogs ?? []) {
        lines.push(data.trimEnd());
        onLine(data.trimEnd());
      }
      if (message.result) return { imageId, lines, result: message.result };
    }
    throw new Error("the stream ended without a result");
  };

  it("builds layer upon layer, with a context mount", async () => {
    const base = await build({ dockerfileCommands: ["FROM node:24-slim", `RUN echo on the base ${run}`, "ENV A=1"] });
    expect(base.result.status).toBe(Status.SUCCESS);
    expect(base.lines).toContain(`on the base ${run}`);
    const text = `from a file ${run}\n`;
    const sha256Hex = createHash("sha256").update(text).digest("hex");
    await mounts.putFile("ac-1", sha256Hex, { data: Buffer.from(text) });
    const { id } = await mounts.getOrCreate("ac-1", [{ filename: "/data/file.txt", sha256Hex }]);
    const bases = [{ dockerTag: "base", imageId: base.imageId }];
    const copied = await build({ baseImages: bases, dockerfileCommands: ["FROM base", "COPY . /"], contextMountId: id });
    const top = await build({
      baseImages: [{ dockerTag: "base", imageId: copied.imageId }],
      dockerfileCommands: ["FROM base", "RUN cat /data/file.txt; echo $A"],
    });
    expect(top.lines).toEqual(expect.arrayContaining([text.trimEnd(), "1"]));
    expect(images.rootfs(top.imageId)?.layers).toHaveLength(5);
  });

  it("sends a failed step's command, output and exit code", async () => {
    const { result } = await build({ dockerfileCommands: ["FROM node:24-slim", `RUN echo the reason ${run}; exit 3`] });
    expect(result.status).toBe(Status.FAILURE);
    expect(result.exception).toMatch(/RUN echo the reason[\s\S]*exit code 3[\s\S]*the reason/);
  });

  it("cancels the build of an app that stops", async () => {
    const { result } = await build({ dockerfileCommands: ["FROM node:24-slim", `RUN echo begun ${run}; sleep 600`] }, "ap-1", (line) => {
      if (line === `begun ${run}`) void images.stopApp("ap-1");
    });
    expect(result.status).toBe(Status.TERMINATED);
  });
});
