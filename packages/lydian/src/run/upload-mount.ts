// Files by their content: only what the server does not have is sent.
import { ObjectCreationType } from "@lydian/protocol";
import { uploadBlob } from "../calls/upload-blob.ts";
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
    missing.push(...missingSha256HexHashes.flatMap((hash) => byHash.get(hash) ?? []));
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
      : { case: "dataBlobId" as const, value: await uploadBlob(client, data, { what: file.path, sha256: file.sha256, signal }) };
  const { exists } = await client.modal.mountPutFile({ sha256Hex: file.sha256, dataOneof }, options);
  if (!exists) throw new LydianError("internal", `The server did not keep ${file.path}.`);
}
