// Plain HTTP/1.1 to the endpoint of a connection: blobs move this way, over unix sockets too.
import type http from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { LydianError } from "../errors.ts";
import { authority, type Endpoint } from "./endpoint.ts";

export interface HttpRequest {
  /** Default GET, or PUT with a body. */
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string | AsyncIterable<Uint8Array>;
  readonly signal?: AbortSignal | undefined;
}

export interface HttpResponse {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  /** Must be read to its end or destroyed. */
  readonly body: http.IncomingMessage;
}

const MAX_SOCKETS = 32;

/** Not imported: that makes Node load all of its fetch implementation, which would be a fifth of a container's start. */
const nodeHttp = () => process.getBuiltinModule("node:http");

export class HttpClient {
  readonly #url: string;
  readonly #endpoint: Endpoint;
  /** Its idle sockets do not keep the process alive. */
  #agent: http.Agent | undefined;

  constructor(url: string, endpoint: Endpoint) {
    this.#url = url;
    this.#endpoint = endpoint;
  }

  async request(path: string, request: HttpRequest): Promise<HttpResponse> {
    const options = this.#options(path, request);
    try {
      return await this.#send(options, request);
    } catch (error) {
      // A kept-alive socket may be closed by the server in the moment it is used again.
      if (!(error instanceof StaleSocket)) throw this.#describe(error, options);
      return this.#send({ ...options, agent: false }, request).catch((again: unknown) => {
        throw this.#describe(again, options);
      });
    }
  }

  close(): void {
    this.#agent?.destroy();
  }

  #options(path: string, request: HttpRequest): http.RequestOptions {
    this.#agent ??= new (nodeHttp().Agent)({ keepAlive: true, maxSockets: MAX_SOCKETS });
    const target = this.#target(path);
    const where =
      this.#endpoint.kind === "unix" ? { socketPath: this.#endpoint.path } : { host: this.#endpoint.host, port: this.#endpoint.port };
    return {
      ...where,
      path: target,
      agent: this.#agent,
      method: request.method ?? (request.body === undefined ? "GET" : "PUT"),
      headers: { host: authority(this.#endpoint), ...bodyLength(request.body), ...request.headers },
      ...(request.signal !== undefined && { signal: request.signal }),
    };
  }

  #target(path: string): string {
    if (path.startsWith("/")) return path;
    if (!URL.canParse(path)) throw new LydianError("invalid_argument", `"${path}" is neither a path that starts with "/" nor a URL`);
    const url = new URL(path);
    return url.pathname + url.search;
  }

  #send(options: http.RequestOptions, { body }: HttpRequest): Promise<HttpResponse> {
    return new Promise((resolve, reject) => {
      const request = nodeHttp().request(options, (response) => {
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: response });
      });
      const streamed = body !== undefined && typeof body !== "string" && !(body instanceof Uint8Array);
      request.on("error", (error: NodeJS.ErrnoException) => {
        const stale = request.reusedSocket && !streamed && (error.code === "ECONNRESET" || error.code === "EPIPE");
        reject(stale ? new StaleSocket(error.message, { cause: error }) : error);
      });
      if (streamed) pipeline(Readable.from(body, { objectMode: false }), request).catch(reject);
      else request.end(body);
    });
  }

  #describe(error: unknown, { method, path }: http.RequestOptions): LydianError {
    const cause = error instanceof Error ? error : new Error(String(error));
    if (LydianError.is(cause)) return cause;
    if (cause.name === "AbortError") return new LydianError("cancelled", `${method} ${path} was cancelled by its caller`, { cause });
    return new LydianError("unavailable", `${method} ${path} at ${this.#url} failed: ${cause.message}`, { cause });
  }
}

class StaleSocket extends Error {}

function bodyLength(body: HttpRequest["body"]): Record<string, number> {
  if (typeof body === "string") return { "content-length": Buffer.byteLength(body) };
  if (body instanceof Uint8Array) return { "content-length": body.byteLength };
  return {};
}
