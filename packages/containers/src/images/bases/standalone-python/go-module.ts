// The same builds out of a Go module that carries them for programs to embed. Networks that reach no GitHub often have a proxy for
// Go modules. Only versions whose digest is written down here are used; it is the one of Go's checksum database.
import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { chmod, mkdir, readFile, symlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { z } from "zod";
import { readZip } from "../../archive/unzip.ts";
import { ImageError } from "../../errors.ts";
import { fetchFile } from "../download.ts";
import { minorOf, type StandaloneBuild } from "./build.ts";

export interface EmbeddedBuild {
  /** Of Python. */
  readonly version: string;
  readonly release: string;
  /** Of the module's zip file, as in go.sum. */
  readonly sum: string;
}

const MODULE = "github.com/kluctl/go-embed-python";
const PROXY = "https://proxy.golang.org";
/** By minor version of Python: newest first seen in a proxy's list of the module's versions. */
const BUILDS: Readonly<Record<string, EmbeddedBuild>> = {
  "3.10": { version: "3.10.16", release: "20241219", sum: "h1:bfJRrtWlbdrPtwXXXZzA95yj2Pr9AvSbxDEm8YvbaP0=" },
  "3.11": { version: "3.11.11", release: "20241219", sum: "h1:yVXFTxa6cvhLC6TwkDEHmNaiWlDyaFEGiXd1DQdoeOU=" },
  "3.12": { version: "3.12.3", release: "20240415", sum: "h1:IX2O3LJUL0AjYsROGZ4aNENTEb3c/Ll/0b9Yb/8P61Q=" },
  "3.13": { version: "3.13.1", release: "20241219", sum: "h1:x1cSEj4Ug5mpuZgUHLvUmlc5r//KHFn6iYiRSrRcVy4=" },
  "3.14": { version: "3.14.6", release: "20260610", sum: "h1:oGUS7++Wm3LgxUfD6AmJgKbKQD2wdQFO9PzyJv6T+E4=" },
};
const MACHINES: Readonly<Record<string, string>> = { x64: "amd64", arm64: "arm64" };
const ANSWER_MS = 30_000;
const MAX_MODULE_BYTES = 500 * 2 ** 20;
/** Bits of Go's file modes. */
const DIRECTORY = 2 ** 31;

const list = z.object({
  files: z.array(
    z.object({ name: z.string(), perm: z.number().int(), symlink: z.string().optional(), compressed: z.boolean().optional() }),
  ),
});

/** What the module has in the place of a build: the same minor version of Python; undefined when it has none. */
export function embeddedBuild(build: StandaloneBuild): EmbeddedBuild | undefined {
  return build.freeThreaded || build.libc !== "gnu" || MACHINES[process.arch] === undefined ? undefined : BUILDS[minorOf(build)];
}

/** The proxy that Go on this machine would ask first; undefined when it is told to ask none. */
export function goProxy(env: NodeJS.ProcessEnv = process.env): string | undefined {
  const [first = ""] = (env.GOPROXY || PROXY).split(/[,|]/);
  return /^https?:\/\//.test(first) ? first.replace(/\/+$/, "") : undefined;
}

/** Unpacks a build below `into`, which gets a folder "python". Throws ImageError "unreachable" when it cannot be had. */
export async function unpackEmbedded(build: EmbeddedBuild, into: string, scratch: string, signal: AbortSignal): Promise<void> {
  const proxy = goProxy();
  if (proxy === undefined) throw new ImageError("unreachable", `GOPROXY is "${process.env.GOPROXY}", which names no proxy`);
  const version = `v0.0.0-${build.version}-${build.release}-1`;
  const archive = join(scratch, "module.zip");
  await fetchFile(`${proxy}/${MODULE}/@v/${version}.zip`, archive, { maxBytes: MAX_MODULE_BYTES, signal, answerMs: ANSWER_MS });
  if ((await moduleSum(archive)) !== build.sum)
    throw new ImageError("corrupt", `${MODULE} ${version} is not what Go's checksum database describes: its digest differs.`);
  await unpack(
    archive,
    `${MODULE}@${version}/python/internal/data/linux-${MACHINES[process.arch]}/`,
    join(into, "python"),
    scratch,
    signal,
  );
}

/** The digest of a module's zip file: of the names and the digests of its files. */
async function moduleSum(archive: string): Promise<string> {
  const sums = new Map<string, string>();
  await readZip(archive, async (name, read) => {
    const hash = createHash("sha256");
    for await (const chunk of await read()) hash.update(chunk as Buffer);
    sums.set(name, hash.digest("hex"));
  });
  const all = createHash("sha256");
  for (const name of [...sums.keys()].sort()) all.update(`${sums.get(name)}  ${name}\n`);
  return `h1:${all.digest("base64")}`;
}

/** Files lie in the module under their names, or compressed; links, directories and modes only stand in its list. */
async function unpack(archive: string, prefix: string, root: string, scratch: string, signal: AbortSignal): Promise<void> {
  const listed = join(scratch, "files.json");
  await readZip(archive, async (name, read) => {
    if (name === `${prefix}files.json`) await pipeline(await read(), createWriteStream(listed, { flags: "wx" }), { signal });
  });
  const { files } = list.parse(JSON.parse(await readFile(listed, "utf8")));
  const places = new Map<string, (typeof files)[number]>();
  await mkdir(root, { mode: 0o755 });
  for (const file of files) {
    const { name, symlink: target } = file;
    if (name.split("/").some((part) => part === "" || part === ".."))
      throw new ImageError("corrupt", `The file list has the name "${name}".`);
    const path = join(root, name);
    if (file.perm >= DIRECTORY) {
      await mkdir(path, { recursive: true, mode: 0o755 });
      continue;
    }
    await mkdir(dirname(path), { recursive: true, mode: 0o755 });
    if (target === undefined) places.set(`${prefix}${name}${file.compressed === true ? ".gz" : ""}`, file);
    else await symlink(target, path);
  }
  await readZip(archive, async (name, read) => {
    const file = places.get(name);
    if (file === undefined) return;
    places.delete(name);
    const path = join(root, file.name);
    const into = createWriteStream(path, { flags: "wx" });
    await (file.compressed === true ? pipeline(await read(), createGunzip(), into, { signal }) : pipeline(await read(), into, { signal }));
    await chmod(path, file.perm & 0o111 ? 0o755 : 0o644);
  });
  const [absent] = places.keys();
  if (absent !== undefined) throw new ImageError("corrupt", `The module does not have ${absent}, which its list names.`);
}
