// The part of the OCI distribution protocol that reads: manifests and blobs. A login is sent only to a registry that gives nothing
// without one.
import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { ImageError, reasonOf } from "../errors.ts";

export interface RegistryLogin {
  readonly username: string;
  /** Or what makes one that does not last, called when a registry asks for a login. */
  readonly password: string | ((signal: AbortSignal | undefined) => Promise<string>);
  /** Tells nothing of what the two are made from, and differs when they do: what was pulled with a login is found again only with the same. */
  readonly fingerprint: string;
}

export interface RegistryClientOptions {
  /** e.g. "https://registry-1.docker.io" */
  readonly url: string;
  readonly repository: string;
  /** For messages. */
  readonly name: string;
  readonly login?: RegistryLogin;
  readonly signal?: AbortSignal;
}

/** A registry that sends no headers for this long is given up; the body of a layer may take as long as it moves. */
const ANSWER_MS = 30_000;
const STALL_MS = 60_000;
const MAX_DOCUMENT_BYTES = 8 * 2 ** 20;

export class RegistryClient {
  readonly #options: RegistryClientOptions;
  #authorization: string | undefined;

  constructor(options: RegistryClientOptions) {
    this.#options = options;
  }

  /** A manifest by tag or digest; verified when asked for by digest. */
  async manifest(version: string, accept: readonly string[]): Promise<Uint8Array> {
    const stream = await this.#get(`manifests/${version}`, { accept: accept.join(", ") });
    return this.#document(stream, version.startsWith("sha256:") ? version : undefined);
  }

  /** A small blob as a whole, verified. */
  async document(digest: string): Promise<Uint8Array> {
    return this.#document(await this.#get(`blobs/${digest}`), digest);
  }

  /** A blob as a stream that ends with an error when its bytes do not have the digest. */
  async *blob(digest: string, size: number): AsyncGenerator<Uint8Array> {
    const hash = createHash("sha256");
    let received = 0;
    for await (const chunk of await this.#get(`blobs/${digest}`)) {
      received += chunk.length;
      if (received > size) break;
      hash.update(chunk);
      yield chunk;
    }
    if (received !== size || `sha256:${hash.digest("hex")}` !== digest) {
      throw new ImageError("corrupt", `The registry sent other bytes for ${digest} of "${this.#options.name}" than its digest says.`);
    }
  }

  async #document(stream: AsyncIterable<Uint8Array>, digest: string | undefined): Promise<Uint8Array> {
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of stream) {
      size += chunk.length;
      if (size > MAX_DOCUMENT_BYTES)
        throw new ImageError(
          "corrupt",
          `The registry sent a document of more than ${MAX_DOCUMENT_BYTES} bytes for "${this.#options.name}".`,
        );
      chunks.push(chunk);
    }
    const bytes = Buffer.concat(chunks);
    if (digest !== undefined && `sha256:${createHash("sha256").update(bytes).digest("hex")}` !== digest) {
      throw new ImageError("corrupt", `The registry sent other bytes for ${digest} of "${this.#options.name}" than its digest says.`);
    }
    return bytes;
  }

  async #get(path: string, headers: Record<string, string> = {}): Promise<AsyncIterable<Uint8Array>> {
    const { url, repository, name } = this.#options;
    const address = `${url}/v2/${repository}/${path}`;
    let response = await this.#ask(address, headers);
    const { login: own } = this.#options;
    const logins = this.#authorization !== undefined ? [] : own === undefined ? [undefined] : [undefined, own];
    for (const login of logins) {
      if (response.status !== 401 && response.status !== 403) break;
      const challenge = response.headers.get("www-authenticate") ?? "";
      const authorization = await this.#authorize(challenge, login);
      if (authorization === undefined) continue;
      await response.body?.cancel();
      this.#authorization = authorization;
      response = await this.#ask(address, headers);
    }
    if (!response.ok || response.body === null) {
      await response.body?.cancel();
      throw this.#refused(response.status, new URL(url).host, name);
    }
    return stallGuard(Readable.fromWeb(response.body as import("node:stream/web").ReadableStream<Uint8Array>), name);
  }

  #refused(status: number, host: string, name: string): ImageError {
    if (status === 404) return new ImageError("invalid", `The registry ${host} has no image "${name}". Check the repository and the tag.`);
    if (status === 401 || status === 403)
      return new ImageError(
        "invalid",
        this.#options.login === undefined
          ? `The registry ${host} does not give out "${name}" without a login. Give the image a secret with REGISTRY_USERNAME and REGISTRY_PASSWORD.`
          : `The registry ${host} does not give out "${name}" to the user "${this.#options.login.username}": the login is wrong, or it has no right to the image.`,
      );
    if (status === 429) return new ImageError("unreachable", `The registry ${host} refuses more downloads for now (too many requests).`);
    return new ImageError("unreachable", `The registry ${host} answered ${status} for "${name}".`);
  }

  #ask(address: string, headers: Record<string, string>): Promise<Response> {
    return this.#fetch(address, { ...headers, ...(this.#authorization !== undefined && { authorization: this.#authorization }) });
  }

  /** What to send with requests; undefined when there is nothing to send. */
  async #authorize(challenge: string, login: RegistryLogin | undefined): Promise<string | undefined> {
    if (/^basic\b/i.test(challenge)) return login && this.#basic(login);
    const { realm, service, scope } = parseChallenge(challenge);
    return realm === undefined ? undefined : this.#fetchToken({ realm, service, scope, login });
  }

  /** Undefined when there is no token without another login. */
  async #fetchToken(asked: {
    realm: string;
    service: string | undefined;
    scope: string | undefined;
    login: RegistryLogin | undefined;
  }): Promise<string | undefined> {
    const { realm, service, scope, login } = asked;
    const host = new URL(this.#options.url).host;
    const address = new URL(realm);
    if (address.protocol !== "https:" && !this.#options.url.startsWith("http:"))
      throw new ImageError("invalid", `The registry ${host} sends to ${realm} for a token, which is not encrypted.`);
    if (service !== undefined) address.searchParams.set("service", service);
    address.searchParams.set("scope", scope ?? `repository:${this.#options.repository}:pull`);
    const response = await this.#fetch(address.href, login === undefined ? {} : { authorization: await this.#basic(login) });
    if (!response.ok) {
      await response.body?.cancel();
      const isRefused = response.status === 401 || response.status === 403;
      if (isRefused && login === undefined && this.#options.login !== undefined) return undefined;
      throw this.#refused(response.status, address.host, this.#options.name);
    }
    const answer = (await response.json()) as { token?: unknown; access_token?: unknown };
    const token = answer.token ?? answer.access_token;
    if (typeof token !== "string") throw new ImageError("unreachable", `${address.host} sent no token for "${this.#options.name}".`);
    return `Bearer ${token}`;
  }

  async #basic({ username, password }: RegistryLogin): Promise<string> {
    const text = typeof password === "string" ? password : await password(this.#options.signal);
    return `Basic ${Buffer.from(`${username}:${text}`, "utf8").toString("base64")}`;
  }

  async #fetch(address: string, headers: Record<string, string>): Promise<Response> {
    const controller = new AbortController();
    const { signal } = this.#options;
    const abort = (): void => controller.abort(signal?.reason);
    if (signal?.aborted) abort();
    signal?.addEventListener("abort", abort, { once: true });
    const timer = setTimeout(() => controller.abort(new Error(`no answer within ${ANSWER_MS / 1000} s`)), ANSWER_MS);
    try {
      return await fetch(address, { headers, signal: controller.signal });
    } catch (error) {
      if (signal?.aborted) throw new ImageError("cancelled", "The image build was cancelled.", { cause: error });
      throw new ImageError(
        "unreachable",
        `The registry ${new URL(address).host} could not be reached for "${this.#options.name}": ${reasonOf(error)}.`,
        { cause: error },
      );
    } finally {
      clearTimeout(timer);
    }
  }
}

/** `Bearer realm="…",service="…",scope="…"`; all undefined for other schemes. */
export function parseChallenge(header: string): { realm?: string; service?: string; scope?: string } {
  if (!/^bearer\s/i.test(header)) return {};
  const found: Record<string, string> = {};
  for (const [, key = "", value = ""] of header.matchAll(/([a-z_]+)="([^"]*)"/gi)) found[key.toLowerCase()] = value;
  return found;
}

/** Ends a download that has stopped moving. */
async function* stallGuard(stream: Readable, name: string): AsyncGenerator<Uint8Array> {
  const stalled = (): void =>
    void stream.destroy(new ImageError("unreachable", `The download of "${name}" stopped: no bytes for ${STALL_MS / 1000} s.`));
  let timer = setTimeout(stalled, STALL_MS);
  try {
    for await (const chunk of stream) {
      clearTimeout(timer);
      yield chunk as Uint8Array;
      timer = setTimeout(stalled, STALL_MS);
    }
  } finally {
    clearTimeout(timer);
  }
}
