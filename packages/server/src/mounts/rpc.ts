import { type Handlers, LydianError, type ModalClient, ObjectCreationType, timestampNow } from "@lydian/protocol";
import { isSha256 } from "../blobs/contents.ts";
import type { Caller } from "../identity/caller.ts";
import type { Mounts } from "./mounts.ts";

const MAX_HASHES = 10_000;

export function createMountsRpc(dependencies: { readonly mounts: Mounts }): Partial<Handlers<typeof ModalClient, Caller>> {
  const { mounts } = dependencies;
  return {
    mountBatchedCheckExistence(request, { caller }) {
      const hashes = request.sha256HexHashes;
      if (hashes.length > MAX_HASHES)
        throw new LydianError("invalid_argument", `${hashes.length} hashes are asked for at once; at most ${MAX_HASHES} are answered.`);
      for (const hash of hashes) checkHash(hash);
      return { missingSha256HexHashes: [...mounts.missing(caller.workspaceId, hashes)], checkedAt: timestampNow() };
    },

    async mountPutFile({ sha256Hex, dataOneof }, { caller }) {
      checkHash(sha256Hex);
      if (dataOneof.case === undefined) {
        // A question, not an upload.
        return { exists: mounts.missing(caller.workspaceId, [sha256Hex]).length === 0, checkedAt: timestampNow() };
      }
      await mounts.putFile(
        caller.workspaceId,
        sha256Hex,
        dataOneof.case === "data" ? { data: dataOneof.value } : { blobId: dataOneof.value },
      );
      return { exists: true, checkedAt: timestampNow() };
    },

    async mountGetOrCreate(request, { caller }) {
      if (request.deploymentName !== "") {
        throw new LydianError("not_found", `There is no mount named "${request.deploymentName}".`, {
          hint: "Named mounts are not served yet; send the files instead.",
        });
      }
      const { objectCreationType: type } = request;
      if (type !== ObjectCreationType.ANONYMOUS_OWNED_BY_APP && type !== ObjectCreationType.EPHEMERAL) {
        throw new LydianError(
          "invalid_argument",
          `A mount without a name cannot be had with object_creation_type ${ObjectCreationType[type] ?? type}.`,
          { hint: "ANONYMOUS_OWNED_BY_APP and EPHEMERAL are possible." },
        );
      }
      const { id, checksum } = await mounts.getOrCreate(caller.workspaceId, request.files);
      return { mountId: id, handleMetadata: { contentChecksumSha256Hex: checksum } };
    },
  };
}

function checkHash(hash: string): void {
  if (!isSha256(hash))
    throw new LydianError("invalid_argument", `"${hash.slice(0, 100)}" is not a SHA-256: 64 lower-case hexadecimal digits are expected.`);
}
