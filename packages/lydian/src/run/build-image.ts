// A recipe as the wire has it, and the build as it goes on.
import { GenericResult_GenericStatus as Status } from "@lydian/protocol";
import type { Client } from "../client.ts";
import { LydianError } from "../errors.ts";
import type { Image } from "../image/image.ts";
import { readLocalFiles } from "../image/local-files.ts";
import type { RunEvent } from "./events.ts";
import { uploadMount } from "./upload-mount.ts";

export interface BuildOptions {
  readonly client: Client;
  readonly appId: string;
  readonly signal?: AbortSignal | undefined;
  readonly onEvent: (event: RunEvent) => void;
}

const BUILDER_VERSION = "2025.06";
const HOLD_SECONDS = 55;
const MAX_BREAKS = 5;

/** Resolves to the id of the image when it is ready; rejects with the failed step, its output and its exit code. */
export async function buildImage(image: Image, options: BuildOptions): Promise<string> {
  const startedAt = performance.now();
  let imageId = "";
  let isCached = true;
  for (const part of await parts(image, options)) {
    const base = imageId;
    const response = await options.client.modal.imageGetOrCreate(
      {
        appId: options.appId,
        builderVersion: BUILDER_VERSION,
        image: {
          dockerfileCommands: [`FROM ${base === "" ? image.base : "base"}`, ...part.lines],
          ...(base === "" ? {} : { baseImages: [{ dockerTag: "base", imageId: base }] }),
          contextMountId: part.contextMountId,
        },
      },
      options.signal ? { signal: options.signal } : {},
    );
    imageId = response.imageId;
    if (response.result?.status === Status.SUCCESS) continue;
    isCached = false;
    await follow(imageId, options);
  }
  options.onEvent({ type: "image-ready", imageId, cached: isCached, ms: performance.now() - startedAt });
  return imageId;
}

interface Part {
  readonly lines: string[];
  readonly contextMountId: string;
}

/** An image has one context, so each step that copies files begins a part of its own on top of what came before. */
async function parts(image: Image, { client, appId, signal }: BuildOptions): Promise<Part[]> {
  const result: Part[] = [{ lines: [], contextMountId: "" }];
  for (const step of image.steps) {
    const last = result.at(-1) as Part;
    if (step.kind === "line") last.lines.push(step.line);
    else result.push({ lines: ["COPY . /"], contextMountId: await uploadMount(client, appId, await readLocalFiles(step.files), signal) });
  }
  return result;
}

/** Reads the log until the end of the build, over as many streams as it takes. */
async function follow(imageId: string, { client, signal, onEvent }: BuildOptions): Promise<void> {
  let lastEntryId = "";
  for (let breaks = 0; ; ) {
    try {
      for await (const message of client.modal.imageJoinStreaming(
        { imageId, timeout: HOLD_SECONDS, lastEntryId, includeLogsForFinished: true },
        signal ? { signal } : {},
      )) {
        breaks = 0;
        if (message.entryId !== "") lastEntryId = message.entryId;
        for (const { data } of message.taskLogs) if (data !== "") onEvent({ type: "image-log", imageId, text: data });
        const status = message.result?.status ?? Status.UNSPECIFIED;
        if (status === Status.SUCCESS) return;
        if (status !== Status.UNSPECIFIED)
          throw new LydianError("failed_precondition", message.result?.exception || "The image could not be built.");
      }
    } catch (error) {
      if (signal?.aborted || !LydianError.is(error) || !error.retryable || ++breaks > MAX_BREAKS) throw error;
    }
  }
}
