// Wheels of a Python package index, as pip on this machine would find them: PyPI, or the index that pip is configured
// to use. Both forms of the index are read, JSON and HTML.
import { z } from "zod";
import { hostPipVariables } from "../build/pip-configuration.ts";
import { ImageError } from "../errors.ts";
import { download, fetchFile } from "./download.ts";

export interface Wheel {
  readonly filename: string;
  readonly url: string;
  readonly sha256: string;
  /** Which Pythons it is for, e.g. ">=3.9"; absent: any. */
  readonly requiresPython?: string;
}

const PYPI = "https://pypi.org/simple";
const ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1";
const MAX_INDEX_BYTES = 64 * 2 ** 20;
const MAX_WHEEL_BYTES = 256 * 2 ** 20;

const jsonIndex = z.object({
  files: z.array(
    z.object({
      filename: z.string(),
      url: z.string(),
      hashes: z.record(z.string(), z.string()),
      yanked: z.union([z.boolean(), z.string()]).optional(),
      "requires-python": z.string().nullish(),
    }),
  ),
});

/** The wheels of a project that can be verified. Throws ImageError "unreachable" when the index cannot be had. */
export async function listWheels(project: string, signal: AbortSignal | undefined): Promise<readonly Wheel[]> {
  const index = (await hostPipVariables()).PIP_INDEX_URL ?? PYPI;
  const url = `${index.replace(/\/+$/, "")}/${project}/`;
  const chunks: Uint8Array[] = [];
  const options = { maxBytes: MAX_INDEX_BYTES, headers: { accept: ACCEPT }, signal };
  const response = await download(url, options, async (chunk) => void chunks.push(chunk));
  const text = Buffer.concat(chunks).toString("utf8");
  const wheels = /json/.test(response.type) ? fromJson(text) : fromHtml(text);
  // Addresses may be relative; the credentials of the index are for its own host.
  const base = new URL(url);
  return wheels.map((wheel) => {
    const at = new URL(wheel.url, response.url);
    if (at.host === base.host) Object.assign(at, { username: base.username, password: base.password });
    return { ...wheel, url: at.href };
  });
}

/** Writes a wheel to `path`. Throws ImageError "corrupt" when it is not what the index describes. */
export async function fetchWheel(wheel: Wheel, path: string, signal: AbortSignal): Promise<void> {
  const sha256 = await fetchFile(wheel.url, path, { maxBytes: MAX_WHEEL_BYTES, signal });
  if (sha256 !== wheel.sha256)
    throw new ImageError("corrupt", `${wheel.filename} is not what the package index describes: its sha256 differs.`);
}

export function fromJson(text: string): readonly Wheel[] {
  const parsed = jsonIndex.safeParse(parseJson(text));
  if (!parsed.success)
    throw new ImageError("corrupt", "The package index sent a list of files that cannot be read.", { cause: parsed.error });
  return parsed.data.files.flatMap(({ filename, url, hashes, yanked, "requires-python": requiresPython }) => {
    const isOffered = yanked === undefined || yanked === false;
    if (!isOffered || hashes.sha256 === undefined) return [];
    return [{ filename, url, sha256: hashes.sha256, ...(requiresPython ? { requiresPython } : {}) }];
  });
}

/** `<a href="…#sha256=…">file</a>`, one a file. */
export function fromHtml(text: string): readonly Wheel[] {
  return [...text.matchAll(/<a\s([^>]*)>([^<]*)<\/a>/gi)].flatMap(([, attributes = "", filename = ""]) => {
    const [, href = ""] = /href="([^"]*)"/i.exec(attributes) ?? [];
    const [, url = "", sha256] = /^([^#]*)#sha256=([0-9a-f]{64})$/.exec(href.replaceAll("&amp;", "&")) ?? [];
    const [, requires] = /data-requires-python="([^"]*)"/i.exec(attributes) ?? [];
    const requiresPython = requires?.replaceAll("&gt;", ">").replaceAll("&lt;", "<");
    if (sha256 === undefined || /data-yanked/i.test(attributes)) return [];
    return [{ filename: filename.trim(), url, sha256, ...(requiresPython ? { requiresPython } : {}) }];
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
