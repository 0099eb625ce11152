// Builds as their project releases them, from GitHub or a mirror of it. The variable for a mirror is the one that uv reads.
import { createReadStream } from "node:fs";
import { join } from "node:path";
import { createGunzip } from "node:zlib";
import { unpackTar } from "../../archive/unpack.ts";
import { ImageError } from "../../errors.ts";
import { fetchFile, fetchText } from "../download.ts";
import type { StandaloneBuild } from "./build.ts";

export const MIRROR_VARIABLE = "UV_PYTHON_INSTALL_MIRROR";

const RELEASES = "https://github.com/astral-sh/python-build-standalone/releases/download";
const MACHINES: Readonly<Record<string, string>> = { x64: "x86_64", arm64: "aarch64" };
/** A network that lets nothing through may not even say so. */
const ANSWER_MS = 10_000;
const MAX_SUMS_BYTES = 4 * 2 ** 20;
const MAX_ARCHIVE_BYTES = 512 * 2 ** 20;

/** Where releases are looked for. */
export function releasesUrl(env: NodeJS.ProcessEnv = process.env): string {
  return (env[MIRROR_VARIABLE] || RELEASES).replace(/\/+$/, "");
}

/** The name of a build's archive. The same for every machine with its processor: newer instructions are not asked for. */
export function archiveName({ release, version, freeThreaded, libc }: StandaloneBuild, arch: string = process.arch): string {
  const kind = freeThreaded ? "freethreaded-install_only" : "install_only";
  return `cpython-${version}+${release}-${MACHINES[arch] ?? arch}-unknown-linux-${libc}-${kind}.tar.gz`;
}

/** Unpacks a build below `into`, which gets a folder "python". Throws ImageError "unreachable" when it cannot be had. */
export async function unpackRelease(build: StandaloneBuild, into: string, scratch: string, signal: AbortSignal): Promise<void> {
  const name = archiveName(build);
  const folder = `${releasesUrl()}/${build.release}`;
  const small = { maxBytes: MAX_SUMS_BYTES, signal, answerMs: ANSWER_MS };
  const sums = await fetchText(`${folder}/SHA256SUMS`, small);
  const expected = sumOf(sums, name);
  if (expected === undefined) throw new ImageError("unreachable", `the release ${build.release} has no ${name}`);
  const archive = join(scratch, "release.tar.gz");
  const found = await fetchFile(`${folder}/${encodeURIComponent(name)}`, archive, { maxBytes: MAX_ARCHIVE_BYTES, signal });
  if (found !== expected) throw new ImageError("corrupt", `${name} is not what its release describes: its sha256 differs.`);
  await unpackTar(createReadStream(archive).pipe(createGunzip()), { into, signal, accept: (path) => /^(\.\/)?python(\/|$)/.test(path) });
}

/** The digest of a file in the text that `sha256sum` writes. */
export function sumOf(sums: string, name: string): string | undefined {
  for (const line of sums.split("\n")) {
    const [, digest, file] = /^([0-9a-f]{64}) [ *](\S+)$/.exec(line.trimEnd()) ?? [];
    if (file === name) return digest;
  }
  return undefined;
}
