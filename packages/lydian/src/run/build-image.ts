// A recipe as the wire has it, and the build as it goes on.
import { GenericResult_GenericStatus as Status } from "@lydian/protocol";
import type { Client } from "../client.ts";
import { LydianError } from "../errors.ts";
import type { Image } from "../image/image.ts";
import { readLocalFiles } from "../image/local-files.ts";
import type { Secret } from "../secret.ts";
import type { RunEvent } from "./events.ts";
import { uploadMount } from "./upload-mount.ts";

export interface BuildOptions {
  readonly client: Client;
  readonly appId: string;
  /** The id of a secret, made when it has none yet. */
  readonly secretId: (secret: Secret) => Promise<string>;
  readonly signal?: AbortSignal | undefined;
  readonly onEvent: (event: RunEvent) => void;
}

const BUILDER_VERSION = "2025.06";
const HOLD_SECONDS = 55;
const MAX_BREAKS = 5;

/** Resolves to the id of the image when it is ready; rejects with the failed step, its output and its exit code. */
export async function buildImage(image: Image, options: BuildOptions): Promise<string> {
  const startedAt = performance.now();
  let imageId = image.baseId ?? "";
  if (imageId !== "" && image.steps.length === 0) return imageId;
  let isCached = true;
  for (const part of await parts(image, options)) {
    const base = imageId;
    if (base !== "" && part.lines.length === 0) continue;
    const response = await options.client.modal.imageGetOrCreate(
      {
        appId: options.appId,
        builderVersion: BUILDER_VERSION,
        image: {
          dockerfileCommands: [`FROM ${base === "" ? image.base : "base"}`, ...part.lines],
          ...(base === "" ? {} : { baseImages: [{ dockerTag: "base", imageId: base }] }),
          contextMountId: part.contextMountId,
          secretIds: await Promise.all(part.secrets.map(options.secretId)),
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
  readonly secrets: readonly Secret[];
}

/** On the wire an image has one context and one list of secrets, so a step that needs others begins a part on top of what came before. */
async function parts(image: Image, { client, appId, signal }: BuildOptions): Promise<Part[]> {
  const result: Part[] = [{ lines: [], contextMountId: "", secrets: [] }];
  for (const step of image.steps) {
    const last = result.at(-1) as Part;
    if (step.kind === "copy") {
      const contextMountId = await uploadMount(client, appId, await readLocalFiles(step.files), signal);
      result.push({ lines: ["COPY . /"], contextMountId, secrets: [] });
    } else if (isSame(step.secrets, last.secrets)) {
      last.lines.push(step.line);
    } else {
      result.push({ lines: [step.line], contextMountId: "", secrets: step.secrets });
    }
  }
  return result;
}

const isSame = (a: readonly Secret[], b: readonly Secret[]) => a.length === b.length && a.every((each, index) => each === b[index]);

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
