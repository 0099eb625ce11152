// Downloads over HTTP with bounds: of time, of size, and of who sees a password.
import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import { ImageError, reasonOf } from "../errors.ts";

export interface DownloadOptions {
  readonly maxBytes: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal: AbortSignal | undefined;
  /** Until the answer begins. Default: as long as the whole may take. */
  readonly answerMs?: number;
}

/** For the whole. */
const TIMEOUT_MS = 300_000;

/** Writes what an address gives to the new file `path`, and resolves with its SHA-256 in hexadecimal digits. */
export async function fetchFile(address: string, path: string, options: DownloadOptions): Promise<string> {
  const hash = createHash("sha256");
  const file = await open(path, "wx", 0o600);
  try {
    await download(address, options, async (chunk) => {
      hash.update(chunk);
      await file.writeFile(chunk);
    });
  } finally {
    await file.close();
  }
  return hash.digest("hex");
}

/** A small text as a whole. */
export async function fetchText(address: string, options: DownloadOptions): Promise<string> {
  const chunks: Uint8Array[] = [];
  await download(address, options, async (chunk) => void chunks.push(chunk));
  return Buffer.concat(chunks).toString("utf8");
}

/** Gives what an address answers to `onChunk`, piece by piece. Throws ImageError "unreachable", "corrupt" or "cancelled". */
export async function download(
  address: string,
  { maxBytes, headers = {}, signal, answerMs }: DownloadOptions,
  onChunk: (chunk: Uint8Array) => Promise<void>,
): Promise<{ type: string; url: string }> {
  const url = new URL(address);
  const shown = `${url.host}${url.pathname}`;
  // fetch refuses addresses with credentials; the header says the same.
  const login = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  const authorization = login === ":" ? {} : { authorization: `Basic ${Buffer.from(login).toString("base64")}` };
  Object.assign(url, { username: "", password: "" });
  const silent = new AbortController();
  const timer = setTimeout(() => silent.abort(new Error("no answer in time")), answerMs ?? TIMEOUT_MS);
  const signals = [AbortSignal.timeout(TIMEOUT_MS), silent.signal, ...(signal === undefined ? [] : [signal])];
  try {
    const response = await fetch(url, { headers: { ...headers, ...authorization }, signal: AbortSignal.any(signals) });
    clearTimeout(timer);
    if (!response.ok || response.body === null) {
      await response.body?.cancel();
      throw new ImageError("unreachable", `${shown} answered ${response.status}.`);
    }
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
  } finally {
    clearTimeout(timer);
  }
}
