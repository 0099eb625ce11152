import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LydianError, GenericResult_GenericStatus as Status } from "@lydian/protocol";
import { afterEach, describe, expect, it } from "vitest";
import { Image } from "../image/image.ts";
import { Secret } from "../secret.ts";
import { startTestServer, type TestServer, type TestServerOptions } from "../test-server.ts";
import { buildImage } from "./build-image.ts";
import type { RunEvent } from "./events.ts";

let server: TestServer | undefined;
let directory: string | undefined;
afterEach(async () => {
  await server?.[Symbol.asyncDispose]();
  if (directory !== undefined) await rm(directory, { recursive: true });
  server = directory = undefined;
});

interface Request {
  readonly lines: readonly string[];
  readonly bases: readonly string[];
  readonly context: string;
  readonly secrets: readonly string[];
}

const secretId = async ({ name }: Secret) => `st ${name}`;

async function serve(modal: TestServerOptions["modal"] = {}) {
  const requests: Request[] = [];
  const events: RunEvent[] = [];
  const handlers: TestServerOptions["modal"] = {
    imageGetOrCreate({ image }) {
      requests.push({
        lines: image?.dockerfileCommands ?? [],
        bases: image?.baseImages.map(({ imageId }) => imageId) ?? [],
        context: image?.contextMountId ?? "",
        secrets: image?.secretIds ?? [],
      });
      return { imageId: `im-${requests.length}`, result: { status: Status.SUCCESS } };
    },
    mountBatchedCheckExistence: ({ sha256HexHashes }) => ({ missingSha256HexHashes: sha256HexHashes }),
    mountPutFile: () => ({ exists: true }),
    mountGetOrCreate: ({ files }) => ({ mountId: `mo ${files.map(({ filename }) => filename).join(" ")}` }),
    ...modal,
  };
  server = await startTestServer({ modal: handlers });
  const { client } = server;
  const build = (image: Image, signal?: AbortSignal) =>
    buildImage(image, { client, appId: "ap-1", signal, secretId, onEvent: (event) => events.push(event) });
  return { requests, events, build };
}

const unfinished = { imageGetOrCreate: () => ({ imageId: "im-1" }) } satisfies TestServerOptions["modal"];
const line = (entryId: string, data: string) => ({ entryId, taskLogs: [{ data }] });

describe("buildImage", () => {
  it("takes an image that the server has as it is, and builds on it", async () => {
    const { requests, build } = await serve();
    expect(await build(Image.fromId("im-snap"))).toBe("im-snap");
    expect(requests).toEqual([]);
    directory = await mkdtemp(join(tmpdir(), "ly-build-"));
    await writeFile(join(directory, "a"), "a");
    expect(await build(Image.fromId("im-snap").addLocalFile(join(directory, "a"), "/a", { copy: true }))).toBe("im-1");
    expect(requests).toEqual([{ lines: ["FROM base", "COPY . /"], bases: ["im-snap"], context: "mo /a", secrets: [] }]);
  });

  it("asks for an image that is there already, and builds nothing", async () => {
    const { requests, events, build } = await serve();
    expect(await build(Image.node("22").run("echo hi").env({ A: "1" }))).toBe("im-1");
    expect(requests).toEqual([{ lines: ["FROM node:22-slim", "RUN echo hi", "ENV A='1'"], bases: [], context: "", secrets: [] }]);
    expect(events).toMatchObject([{ type: "image-ready", imageId: "im-1", cached: true }]);
  });

  it("follows a build to its end and tells each piece of its log", async () => {
    const { events, build } = await serve({
      ...unfinished,
      async *imageJoinStreaming() {
        yield line("1-0", "step 1\n");
        yield line("2-0", "step 2\n");
        yield { result: { status: Status.SUCCESS } };
      },
    });
    expect(await build(Image.node())).toBe("im-1");
    expect(events).toMatchObject([
      { type: "image-log", imageId: "im-1", text: "step 1\n" },
      { type: "image-log", imageId: "im-1", text: "step 2\n" },
      { type: "image-ready", imageId: "im-1", cached: false },
    ]);
  });

  it("begins a part of its own, with its files as the context, for each copy", async () => {
    directory = await mkdtemp(join(tmpdir(), "ly-build-"));
    await writeFile(join(directory, "a.txt"), "a");
    const { requests, build } = await serve();
    const image = Image.node()
      .run("one")
      .addLocalFile(join(directory, "a.txt"), "/srv/", { copy: true })
      .run("two")
      .addLocalDir(directory, "/data", { copy: true });
    expect(await build(image)).toBe("im-3");
    expect(requests).toEqual([
      { lines: ["FROM node:24-slim", "RUN one"], bases: [], context: "", secrets: [] },
      { lines: ["FROM base", "COPY . /", "RUN two"], bases: ["im-1"], context: "mo /srv/a.txt", secrets: [] },
      { lines: ["FROM base", "COPY . /"], bases: ["im-2"], context: "mo /data/a.txt", secrets: [] },
    ]);
  });

  it("begins a part of its own for steps with other secrets", async () => {
    const { requests, build } = await serve();
    const options = { secrets: [Secret.fromName("npm")] };
    const image = Image.node().run("one").run("two", options).npmInstall(["left-pad"], options).run("three");
    expect(await build(image)).toBe("im-3");
    expect(requests).toEqual([
      { lines: ["FROM node:24-slim", "RUN one"], bases: [], context: "", secrets: [] },
      { lines: ["FROM base", "RUN two", expect.stringContaining("left-pad")], bases: ["im-1"], context: "", secrets: ["st npm"] },
      { lines: ["FROM base", "RUN three"], bases: ["im-2"], context: "", secrets: [] },
    ]);
  });

  it("rejects with the server's words when a step fails", async () => {
    const { events, build } = await serve({
      ...unfinished,
      async *imageJoinStreaming() {
        yield { ...line("1-0", "no such file\n"), result: { status: Status.FAILURE, exception: "RUN false: exit code 1" } };
      },
    });
    await expect(build(Image.node().run("false"))).rejects.toMatchObject({
      code: "failed_precondition",
      message: "RUN false: exit code 1",
    });
    expect(events).toMatchObject([{ type: "image-log", text: "no such file\n" }]);
  });

  it("goes on with the log where a stream broke or ended", async () => {
    const places: string[] = [];
    const { events, build } = await serve({
      ...unfinished,
      async *imageJoinStreaming({ lastEntryId }) {
        places.push(lastEntryId);
        yield line(`${places.length}-0`, `part ${places.length}\n`);
        if (places.length === 1) throw new LydianError("unavailable", "restarting");
        if (places.length === 3) yield { result: { status: Status.SUCCESS } };
      },
    });
    await build(Image.node());
    expect(places).toEqual(["", "1-0", "2-0"]);
    expect(events.flatMap((event) => (event.type === "image-log" ? [event.text] : []))).toEqual(["part 1\n", "part 2\n", "part 3\n"]);
  });

  it("gives up on streams that break again and again without a word", async () => {
    let streams = 0;
    const { build } = await serve({
      ...unfinished,
      // biome-ignore lint/correctness/useYield: it breaks before any message.
      async *imageJoinStreaming() {
        streams++;
        throw new LydianError("unavailable", "restarting");
      },
    });
    await expect(build(Image.node())).rejects.toMatchObject({ code: "unavailable" });
    expect(streams).toBe(6);
  });

  it("stops when the signal is aborted", async () => {
    const controller = new AbortController();
    const { build } = await serve({
      ...unfinished,
      async *imageJoinStreaming(_, { signal }) {
        yield line("1-0", "working\n");
        controller.abort(new RangeError("enough"));
        await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
      },
    });
    await expect(build(Image.node(), controller.signal)).rejects.toMatchObject({ code: "cancelled" });
  });
});
