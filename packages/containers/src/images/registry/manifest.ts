// The documents of an image in a registry, as far as they are used.
import { z } from "zod";
import { ImageError } from "../errors.ts";
import { DEFAULT_PATH, type ImageConfig } from "../image.ts";

const digest = z.string().regex(/^sha256:[0-9a-f]{64}$/);
const descriptor = z.object({ mediaType: z.string(), digest, size: z.number().int().nonnegative() });
const index = z.object({
  manifests: z.array(
    descriptor.extend({ platform: z.object({ os: z.string(), architecture: z.string(), variant: z.string().optional() }).optional() }),
  ),
});
const manifest = z.object({ config: descriptor, layers: z.array(descriptor).max(500) });
const strings = z.array(z.string()).nullish();
const config = z.object({
  os: z.string().optional(),
  architecture: z.string().optional(),
  config: z
    .object({
      Env: strings,
      WorkingDir: z.string().nullish(),
      User: z.string().nullish(),
      Entrypoint: strings,
      Cmd: strings,
      Shell: strings,
      Labels: z.record(z.string(), z.string()).nullish(),
      ExposedPorts: z.record(z.string(), z.unknown()).nullish(),
    })
    .nullish(),
});

export type Descriptor = z.infer<typeof descriptor>;
export type Manifest = z.infer<typeof manifest>;

export const MANIFEST_TYPES = [
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.v2+json",
];

const ARCHITECTURES: Readonly<Record<string, string>> = { x64: "amd64", arm64: "arm64" };

function read<T>(schema: z.ZodType<T>, bytes: Uint8Array, what: string): T {
  try {
    return schema.parse(JSON.parse(Buffer.from(bytes).toString("utf8")));
  } catch (error) {
    throw new ImageError("corrupt", `The registry sent ${what} that cannot be read.`, { cause: error });
  }
}

/** A manifest, or the digest of the manifest for this machine when `bytes` is an index of platforms. */
export function readManifest(bytes: Uint8Array, name: string, arch: string = process.arch): { manifest: Manifest } | { digest: string } {
  const document = read(z.record(z.string(), z.unknown()), bytes, "a manifest");
  if (!("manifests" in document)) return { manifest: read(manifest, bytes, "a manifest") };
  const { manifests } = read(index, bytes, "an index");
  const architecture = ARCHITECTURES[arch] ?? arch;
  const found = manifests.find(({ platform }) => platform?.os === "linux" && platform.architecture === architecture);
  if (found === undefined) {
    const offered = manifests.flatMap(({ platform }) =>
      platform === undefined || platform.os === "unknown" ? [] : [`${platform.os}/${platform.architecture}`],
    );
    throw new ImageError(
      "invalid",
      `The image "${name}" is not made for linux/${architecture}. It exists for ${offered.join(", ") || "no platform"}.`,
    );
  }
  return { digest: found.digest };
}

export function readImageConfig(bytes: Uint8Array, name: string): ImageConfig {
  const document = read(config, bytes, "an image configuration");
  if (document.os !== undefined && document.os !== "linux")
    throw new ImageError("invalid", `The image "${name}" is for ${document.os}; only Linux images can run here.`);
  const { Env, WorkingDir, User, Entrypoint, Cmd, Shell, Labels, ExposedPorts } = document.config ?? {};
  const env: Record<string, string> = { PATH: DEFAULT_PATH };
  for (const pair of Env ?? []) {
    const at = pair.indexOf("=");
    if (at > 0) env[pair.slice(0, at)] = pair.slice(at + 1);
  }
  return {
    env,
    ...(WorkingDir ? { workdir: WorkingDir } : {}),
    ...(User ? { user: User } : {}),
    ...(Entrypoint?.length ? { entrypoint: Entrypoint } : {}),
    ...(Cmd?.length ? { cmd: Cmd } : {}),
    ...(Shell?.length ? { shell: Shell } : {}),
    ...(Labels ? { labels: Labels } : {}),
    ...(ExposedPorts ? { exposedPorts: Object.keys(ExposedPorts) } : {}),
  };
}
