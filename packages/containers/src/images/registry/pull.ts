// An image of a registry becomes layers of the store: one for each of its layers, shared by all images that have it.
import { chmod, mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { type Duplex, pipeline } from "node:stream";
import * as zlib from "node:zlib";
import { unpackTar } from "../archive/unpack.ts";
import { ImageError } from "../errors.ts";
import type { BuiltImage, OnBuildLog } from "../image.ts";
import { layerKey } from "../keys.ts";
import type { LayerStore } from "../layer-store.ts";
import { RegistryClient, type RegistryLogin } from "./client.ts";
import { type Descriptor, MANIFEST_TYPES, type Manifest, readImageConfig, readManifest } from "./manifest.ts";
import type { ImageReference } from "./reference.ts";

export interface PullOptions {
  /** As the user wrote it, for messages. */
  readonly name: string;
  readonly reference: ImageReference;
  readonly url: string;
  readonly store: LayerStore;
  readonly login?: RegistryLogin;
  readonly onLog: OnBuildLog;
  readonly signal?: AbortSignal;
}

/** Raise when unpacking gives another result for the same bytes. */
const UNPACK_VERSION = 1;
const PARALLEL_LAYERS = 3;

export async function pullImage(options: PullOptions): Promise<BuiltImage> {
  const { name, reference, url, store, onLog, signal, login } = options;
  const withSignal = signal === undefined ? {} : { signal };
  onLog({ stream: "info", text: `Pulling ${name} from ${new URL(url).host}.` });
  const place = { url, repository: reference.repository, name, ...(login !== undefined && { login }) };
  const client = new RegistryClient({ ...place, ...withSignal });
  const manifest = await fetchManifest(client, reference.version, name);
  const config = readImageConfig(await client.document(manifest.config.digest), name);
  const layers = manifest.layers.map((layer) => ({ layer, id: layerKey({ kind: "oci", version: UNPACK_VERSION, digest: layer.digest }) }));
  const waiting = [...layers];
  const worker = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const { layer, id } = next;
      const how = await store.make(
        id,
        (target, layerSignal) => unpackLayer(new RegistryClient({ ...place, signal: layerSignal }), layer, target, layerSignal),
        withSignal,
      );
      onLog({
        stream: "info",
        text: `${layer.digest.slice(0, 19)} ${how === "cached" ? "is there already" : `pulled, ${(layer.size / 2 ** 20).toFixed(1)} MiB`}`,
      });
    }
  };
  const results = await Promise.allSettled(Array.from({ length: PARALLEL_LAYERS }, worker));
  const failed = results.find((result) => result.status === "rejected");
  if (failed !== undefined) throw failed.reason;
  return { layers: layers.map(({ id }) => id), config };
}

async function fetchManifest(client: RegistryClient, version: string, name: string): Promise<Manifest> {
  const first = readManifest(await client.manifest(version, MANIFEST_TYPES), name);
  if ("manifest" in first) return first.manifest;
  const second = readManifest(await client.manifest(first.digest, MANIFEST_TYPES), name);
  if ("manifest" in second) return second.manifest;
  throw new ImageError("corrupt", `The registry sent an index inside an index for "${name}".`);
}

async function unpackLayer(client: RegistryClient, layer: Descriptor, target: string, signal: AbortSignal): Promise<void> {
  await mkdir(target);
  await chmod(target, 0o755);
  const compressed = client.blob(layer.digest, layer.size);
  const decoder = decoderFor(layer.mediaType);
  const stream = decoder === undefined ? compressed : pipeline(compressed, decoder, () => {});
  await unpackTar(stream, { into: target, whiteouts: dirname(target), keepOwners: process.getuid?.() === 0, signal });
}

/** Undefined for uncompressed layers. */
function decoderFor(mediaType: string): Duplex | undefined {
  if (/[.+]gzip$/.test(mediaType)) return zlib.createGunzip();
  if (/[.+]zstd$/.test(mediaType)) {
    // Node has it since 22.15; the types of the oldest served Node do not know it.
    const create = (zlib as { createZstdDecompress?: () => Duplex }).createZstdDecompress;
    if (create === undefined)
      throw new ImageError(
        "unsupported",
        `A layer is compressed with zstd, which Node ${process.version} cannot read. Run the server with Node 22.15 or newer.`,
      );
    return create();
  }
  if (/\.tar$/.test(mediaType)) return undefined;
  throw new ImageError("unsupported", `A layer has the type "${mediaType}"; tar, tar+gzip and tar+zstd are served.`);
}
