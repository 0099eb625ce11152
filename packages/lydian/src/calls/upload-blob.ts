import { createHash } from "node:crypto";
import { LydianError } from "@lydian/protocol";
import type { Client } from "../client.ts";

export interface BlobUpload {
  /** For the message when it is refused, e.g. a path. */
  readonly what: string;
  /** Hex; default: computed. */
  readonly sha256?: string;
  readonly signal?: AbortSignal | undefined;
}

/** Stores what is too large for a message and resolves to its blob's id. */
export async function uploadBlob({ modal, connection }: Client, data: Uint8Array, { what, sha256, signal }: BlobUpload): Promise<string> {
  const options = signal ? { signal } : {};
  const created = await modal.blobCreate(
    {
      contentMd5: createHash("md5").update(data).digest("base64"),
      contentSha256Base64: (sha256 === undefined ? createHash("sha256").update(data).digest() : Buffer.from(sha256, "hex")).toString(
        "base64",
      ),
      contentLength: BigInt(data.length),
    },
    options,
  );
  if (created.uploadTypeOneof.case !== "uploadUrl") throw new LydianError("internal", "The server gave no address to upload to.");
  const { status, body } = await connection.http(created.uploadTypeOneof.value, { method: "PUT", body: data, ...options });
  body.resume();
  if (status !== 200) throw new LydianError("unavailable", `The upload of ${what} was refused with HTTP status ${status}.`);
  return created.blobId;
}
