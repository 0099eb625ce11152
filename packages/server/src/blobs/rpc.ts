import type { Handlers, ModalClient } from "@lydian/protocol";
import type { Caller } from "../identity/caller.ts";
import { publicUrlFor } from "../public-url.ts";
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
      const url = (action: "put" | "part" | "complete"): string =>
        publicUrlFor(context, dependencies.publicUrl) + blobs.urlPath(action, id);
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
      return { downloadUrl: publicUrlFor(context, dependencies.publicUrl) + blobs.urlPath("get", request.blobId) };
    },
  };
}
