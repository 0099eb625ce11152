// Files by their content: only what the server does not have is sent.
import { createHash } from "node:crypto";
import { ObjectCreationType } from "@lydian/protocol";
import type { Client } from "../client.ts";
import { LydianError } from "../errors.ts";
import type { UploadFile } from "../image/local-files.ts";

const HASHES_PER_QUESTION = 64;
const PARALLEL_UPLOADS = 8;
/** Larger files travel as blobs. */
const MAX_INLINE_BYTES = 4 << 20;

/** Resolves to the id of a mount with exactly these files. */
export async function uploadMount(client: Client, appId: string, files: readonly UploadFile[], signal?: AbortSignal): Promise<string> {
  const options = signal ? { signal } : {};
  const byHash = new Map(files.map((file) => [file.sha256, file]));
  const hashes = [...byHash.keys()];
  const missing: UploadFile[] = [];
  for (let at = 0; at < hashes.length; at += HASHES_PER_QUESTION) {
    const { missingSha256HexHashes } = await client.modal.mountBatchedCheckExistence(
      { sha256HexHashes: hashes.slice(at, at + HASHES_PER_QUESTION) },
      options,
    );
    for (const hash of missingSha256HexHashes) missing.push(...(byHash.get(hash) ? [byHash.get(hash) as UploadFile] : []));
  }
  const lane = async () => {
    for (let file = missing.pop(); file; file = missing.pop()) await put(client, file, signal);
  };
  await Promise.all(Array.from({ length: PARALLEL_UPLOADS }, lane));
  const { mountId } = await client.modal.mountGetOrCreate(
    {
      objectCreationType: ObjectCreationType.ANONYMOUS_OWNED_BY_APP,
      appId,
      files: files.map(({ path, sha256, mode }) => ({ filename: path, sha256Hex: sha256, mode })),
    },
    options,
  );
  return mountId;
}

async function put(client: Client, file: UploadFile, signal: AbortSignal | undefined): Promise<void> {
  const options = signal ? { signal } : {};
  const data = await file.read();
  const dataOneof =
    data.length <= MAX_INLINE_BYTES
      ? { case: "data" as const, value: data }
      : { case: "dataBlobId" as const, value: await putBlob(client, data, file, options) };
  const { exists } = await client.modal.mountPutFile({ sha256Hex: file.sha256, dataOneof }, options);
  if (!exists) throw new LydianError("internal", `The server did not keep ${file.path}.`);
}

async function putBlob(client: Client, data: Uint8Array, file: UploadFile, options: { signal?: AbortSignal }): Promise<string> {
  const created = await client.modal.blobCreate(
    {
      contentMd5: createHash("md5").update(data).digest("base64"),
      contentSha256Base64: Buffer.from(file.sha256, "hex").toString("base64"),
      contentLength: BigInt(data.length),
    },
    options,
  );
  if (created.uploadTypeOneof.case !== "uploadUrl") throw new LydianError("internal", "The server gave no address to upload to.");
  const { status, body } = await client.connection.http(created.uploadTypeOneof.value, { method: "PUT", body: data, ...options });
  body.resume();
  if (status !== 200) throw new LydianError("unavailable", `The upload of ${file.path} was refused with HTTP status ${status}.`);
  return created.blobId;
}
