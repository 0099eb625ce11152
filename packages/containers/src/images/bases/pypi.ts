// Wheels of a Python package index, as pip on this machine would find them: PyPI, or the index that pip is configured
// to use. Both forms of the index are read, JSON and HTML.
import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import { z } from "zod";
import { hostPipVariables } from "../build/pip-configuration.ts";
import { ImageError, reasonOf } from "../errors.ts";

export interface Wheel {
  readonly filename: string;
  readonly url: string;
  readonly sha256: string;
}

const PYPI = "https://pypi.org/simple";
const ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1";
const TIMEOUT_MS = 300_000;
const MAX_INDEX_BYTES = 64 * 2 ** 20;
const MAX_WHEEL_BYTES = 256 * 2 ** 20;

const jsonIndex = z.object({
  files: z.array(
    z.object({
      filename: z.string(),
      url: z.string(),
      hashes: z.record(z.string(), z.string()),
      yanked: z.union([z.boolean(), z.string()]).optional(),
    }),
  ),
});

/** The wheels of a project that can be verified. Throws ImageError "unreachable" when the index cannot be had. */
export async function listWheels(project: string, signal: AbortSignal | undefined): Promise<readonly Wheel[]> {
  const index = (await hostPipVariables()).PIP_INDEX_URL ?? PYPI;
  const url = `${index.replace(/\/+$/, "")}/${project}/`;
  const chunks: Uint8Array[] = [];
  const response = await download(url, MAX_INDEX_BYTES, { accept: ACCEPT }, signal, async (chunk) => void chunks.push(chunk));
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
  const hash = createHash("sha256");
  const file = await open(path, "wx", 0o600);
  try {
    await download(wheel.url, MAX_WHEEL_BYTES, {}, signal, async (chunk) => {
      hash.update(chunk);
      await file.writeFile(chunk);
    });
  } finally {
    await file.close();
  }
  if (hash.digest("hex") !== wheel.sha256)
    throw new ImageError("corrupt", `${wheel.filename} is not what the package index describes: its sha256 differs.`);
}

export function fromJson(text: string): readonly Wheel[] {
  const parsed = jsonIndex.safeParse(parseJson(text));
  if (!parsed.success)
    throw new ImageError("corrupt", "The package index sent a list of files that cannot be read.", { cause: parsed.error });
  return parsed.data.files.flatMap(({ filename, url, hashes, yanked }) => {
    const isOffered = yanked === undefined || yanked === false;
    return isOffered && hashes.sha256 !== undefined ? [{ filename, url, sha256: hashes.sha256 }] : [];
  });
}

/** `<a href="…#sha256=…">file</a>`, one a file. */
export function fromHtml(text: string): readonly Wheel[] {
  return [...text.matchAll(/<a\s([^>]*)>([^<]*)<\/a>/gi)].flatMap(([, attributes = "", filename = ""]) => {
    const [, href = ""] = /href="([^"]*)"/i.exec(attributes) ?? [];
    const [, url = "", sha256] = /^([^#]*)#sha256=([0-9a-f]{64})$/.exec(href.replaceAll("&amp;", "&")) ?? [];
    return sha256 === undefined || /data-yanked/i.test(attributes) ? [] : [{ filename: filename.trim(), url, sha256 }];
  });
}

async function download(
  address: string,
  maxBytes: number,
  headers: Record<string, string>,
  signal: AbortSignal | undefined,
  onChunk: (chunk: Uint8Array) => Promise<void>,
): Promise<{ type: string; url: string }> {
  const url = new URL(address);
  const shown = `${url.host}${url.pathname}`;
  // fetch refuses addresses with credentials; the header says the same.
  const login = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  const authorization = login === ":" ? {} : { authorization: `Basic ${Buffer.from(login).toString("base64")}` };
  Object.assign(url, { username: "", password: "" });
  const limit = AbortSignal.timeout(TIMEOUT_MS);
  try {
    const response = await fetch(url, {
      headers: { ...headers, ...authorization },
      signal: signal === undefined ? limit : AbortSignal.any([signal, limit]),
    });
    if (!response.ok || response.body === null) throw new ImageError("unreachable", `${shown} answered ${response.status}.`);
    let size = 0;
    for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
      size += chunk.length;
      if (size > maxBytes) throw new ImageError("corrupt", `${shown} has more than ${maxBytes} bytes.`);
      await onChunk(chunk);
    }
    return { type: response.headers.get("content-type") ?? "", url: response.url };
  } catch (error) {
    if (error instanceof ImageError) throw error;
    if (signal?.aborted) throw new ImageError("cancelled", "The image build was cancelled.", { cause: signal.reason });
    throw new ImageError("unreachable", `${shown} could not be fetched: ${reasonOf(error)}`, { cause: error });
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
