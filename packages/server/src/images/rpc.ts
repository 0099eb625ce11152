import { ImageError } from "@lydian/containers";
import {
  type GenericResultSchema,
  type Handlers,
  type ImageJoinStreamingResponseSchema,
  type ImageMetadataSchema,
  LydianError,
  type MessageInitShape,
  type ModalClient,
  GenericResult_GenericStatus as Status,
} from "@lydian/protocol";
import type { Caller } from "../identity/caller.ts";
import { type Images, shown } from "./images.ts";
import { receiveRecipe } from "./recipe.ts";
import type { ImageRecord } from "./store.ts";

export interface ImagesRpcDependencies {
  readonly images: Images;
  /** Whether an app exists and is the workspace's. */
  readonly ownsApp: (appId: string, workspaceId: string) => boolean;
}

/** Used when a client names no version of its own. */
const BUILDER_VERSION = "2025.06";
const DEFAULT_JOIN_SECONDS = 55;
const MAX_JOIN_SECONDS = 600;

export function createImagesRpc(dependencies: ImagesRpcDependencies): Partial<Handlers<typeof ModalClient, Caller>> {
  const { images, ownsApp } = dependencies;
  return {
    async imageGetOrCreate(request, { caller }) {
      const { workspaceId } = caller;
      if (request.image === undefined) throw new LydianError("invalid_argument", "The request has no image.");
      if (request.appId !== "" && !ownsApp(request.appId, workspaceId))
        throw new LydianError("not_found", `There is no app "${request.appId}".`);
      const cache = request.ignoreCache ? "ignore" : request.forceBuild ? "replace" : "use";
      const builderVersion = request.builderVersion === "" ? BUILDER_VERSION : request.builderVersion;
      const received = receiveRecipe(request.image, request.buildFunctionId);
      const image = await images
        .getOrCreate({ workspaceId, appId: request.appId, builderVersion, cache }, received)
        .catch((error: unknown) => {
          throw error instanceof ImageError
            ? new LydianError(error.kind === "unsupported" ? "failed_precondition" : "invalid_argument", error.message, { cause: error })
            : error;
        });
      const result = resultOf(image);
      return { imageId: image.id, metadata: metadataOf(image), ...(result === undefined ? {} : { result }) };
    },

    async *imageJoinStreaming(
      request,
      { caller, signal, draining },
    ): AsyncGenerator<MessageInitShape<typeof ImageJoinStreamingResponseSchema>> {
      const { workspaceId } = caller;
      const { state } = images.require(request.imageId, workspaceId);
      const seconds = request.timeout > 0 ? Math.min(request.timeout, MAX_JOIN_SECONDS) : DEFAULT_JOIN_SECONDS;
      const timeout = AbortSignal.timeout(seconds * 1000);
      // A finished build's log is sent to those who ask for it, who have the beginning of it, or who must know why it failed.
      if (state === "building" || state === "failed" || request.includeLogsForFinished || request.lastEntryId !== "") {
        for await (const lines of images.follow(request.imageId, cursorOf(request.lastEntryId), [signal, draining, timeout])) {
          yield {
            taskLogs: lines.map(({ at, fd, text }) => ({
              data: `${text}\n`,
              timestamp: at / 1000,
              timestampNs: BigInt(at) * 1_000_000n,
              fileDescriptor: fd,
            })),
            entryId: String(lines.at(-1)?.seq ?? ""),
          };
        }
      }
      const image = images.require(request.imageId, workspaceId);
      const result = resultOf(image);
      if (result !== undefined) yield { result, metadata: metadataOf(image), eof: true };
    },

    async imageDelete({ imageId }, { caller }) {
      // The first words are those that the official clients know.
      if (!(await images.delete(imageId, caller.workspaceId)))
        throw new LydianError("not_found", `No Image with ID ${shown(imageId)}: it never was, or it was deleted.`);
      return {};
    },

    imageFromId(request, { caller }) {
      const image = images.require(request.imageId, caller.workspaceId);
      return { imageId: image.id, metadata: metadataOf(image) };
    },
  };
}

/** Undefined while it is being built. */
function resultOf(image: ImageRecord): MessageInitShape<typeof GenericResultSchema> | undefined {
  switch (image.state) {
    case "building":
      return undefined;
    case "ready":
      return { status: Status.SUCCESS };
    case "failed":
      return { status: Status.FAILURE, exception: image.failure ?? "The image build failed." };
    case "cancelled":
      return { status: Status.TERMINATED, exception: "The image build was cancelled: every app that needed it has stopped." };
  }
}

function metadataOf(image: ImageRecord): MessageInitShape<typeof ImageMetadataSchema> {
  const workdir = image.result?.config.workdir;
  return { imageBuilderVersion: image.builderVersion, ...(workdir === undefined ? {} : { workdir }) };
}

function cursorOf(entryId: string): number {
  if (entryId === "") return 0;
  if (!/^\d{1,15}$/.test(entryId)) throw new LydianError("invalid_argument", `"${entryId}" is not an entry id of an image's log.`);
  return Number(entryId);
}
