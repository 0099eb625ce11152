import { type CallContext, CONTAINER_HTTP_PORT, type Handlers, LydianError, type ModalClient } from "@lydian/protocol";
import type { Caller } from "../identity/caller.ts";
import type { Blobs } from "./blobs.ts";

export interface BlobsRpcDependencies {
  readonly blobs: Blobs;
  /** How clients reach this server's HTTP side, e.g. "https://lydian.example.com". Default: the address they called. */
  readonly publicUrl?: string;
}

export function createBlobsRpc(dependencies: BlobsRpcDependencies): Partial<Handlers<typeof ModalClient, Caller>> {
  const { blobs } = dependencies;
  return {
    async blobCreate(request, context) {
      const sha256 = request.contentSha256Base64 === "" ? undefined : Buffer.from(request.contentSha256Base64, "base64").toString("hex");
      const size = Number(request.contentLength);
      const id = await blobs.create({ workspaceId: context.caller.workspaceId, size, ...(sha256 === undefined ? {} : { sha256 }) });
      const url = (action: "put" | "part" | "complete"): string => base(context, dependencies.publicUrl) + blobs.urlPath(action, id);
      // Clients read either the one oneof or the other; some accept only certain hosts for single uploads.
      return {
        blobId: id,
        blobIds: [id],
        uploadTypeOneof: { case: "uploadUrl", value: url("put") },
        uploadTypesOneof: {
          case: "multiparts",
          value: { items: [{ partLength: BigInt(size), uploadUrls: [url("part")], completionUrl: url("complete") }] },
        },
      };
    },
    blobGet(request, context) {
      blobs.content(request.blobId, context.caller.workspaceId);
      return { downloadUrl: base(context, dependencies.publicUrl) + blobs.urlPath("get", request.blobId) };
    },
  };
}

/** On a unix socket callers send path and query over the same socket. Those that cannot find it behind a port of their container. */
function base(context: CallContext<Caller>, publicUrl: string | undefined): string {
  if (context.peer.transport === "unix") return `http://localhost:${CONTAINER_HTTP_PORT}`;
  if (publicUrl !== undefined) return publicUrl.replace(/\/+$/, "");
  const authority = context.headers[":authority"] ?? context.headers.host;
  if (authority === undefined || !/^[A-Za-z0-9.:[\]_-]+$/.test(authority))
    throw new LydianError("invalid_argument", "The request names no host, so no URL can be made for it.", {
      hint: "Set publicUrl in the server's configuration.",
    });
  return `http://${authority}`;
}
