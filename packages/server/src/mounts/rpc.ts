import { standaloneImageName } from "@lydian/containers";
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
      const { deploymentName: name } = request;
      const pythonImage = standaloneImageName(name);
      if (pythonImage !== undefined) return handleOf(await mounts.ofPython(caller.workspaceId, pythonImage));
      if (name !== "") return handleOf(await mounts.ofClient(caller.workspaceId, clientVersionOf(name)));
      const { objectCreationType: type } = request;
      if (type !== ObjectCreationType.ANONYMOUS_OWNED_BY_APP && type !== ObjectCreationType.EPHEMERAL) {
        throw new LydianError(
          "invalid_argument",
          `A mount without a name cannot be had with object_creation_type ${ObjectCreationType[type] ?? type}.`,
          { hint: "ANONYMOUS_OWNED_BY_APP and EPHEMERAL are possible." },
        );
      }
      return handleOf(await mounts.getOrCreate(caller.workspaceId, request.files));
    },
  };
}

const handleOf = ({ id, checksum }: { readonly id: string; readonly checksum: string }) => ({
  mountId: id,
  handleMetadata: { contentChecksumSha256Hex: checksum },
});

/** The named mounts are those of the platform: builds of Python, and the packages of official clients: "modal-client-mount-1.6.4". */
function clientVersionOf(name: string): string {
  const version = /^modal-client-mount-(\d[0-9A-Za-z.+-]{0,40})$/.exec(name)?.[1];
  if (version !== undefined) return version;
  const hint = name.startsWith("python-build-standalone")
    ? "A build of Python has a name like python-build-standalone.20241008.3.13.0-gnu."
    : "Send the files instead.";
  throw new LydianError("not_found", `There is no mount named ${JSON.stringify(name.slice(0, 200))}.`, { hint });
}

function checkHash(hash: string): void {
  if (!isSha256(hash))
    throw new LydianError("invalid_argument", `"${hash.slice(0, 100)}" is not a SHA-256: 64 lower-case hexadecimal digits are expected.`);
}
