// The command router: processes and files in one container. It is served where everything else is, and asks for a token of its own, which
// opens this one container and expires.
import { type CallOptions, LydianError, Processes, type Client as Stub, TaskCommandRouter } from "@lydian/protocol";
import type { Client } from "../client.ts";
import { typedError } from "../errors.ts";

export interface RouterOptions {
  readonly client: Client;
  /** Asked once, with the first call. */
  readonly taskId: () => Promise<string>;
  /** A token. Asked when there is none yet, or it has expired. */
  readonly access: () => Promise<{ readonly jwt: string }>;
  /** A token that is there already. */
  readonly jwt?: string | undefined;
}

/** With what only our own server has for processes. */
type Router = Stub<typeof TaskCommandRouter> & { readonly processes: Stub<typeof Processes> };

/** A token is replaced when it has less than this left: it must last for the time that a request travels. */
const MARGIN_MS = 30_000;

/** Calls of the command router for one container, each with a token that is valid. */
export class CommandRouter {
  readonly #options: RouterOptions;
  readonly #stub: Router;
  #taskId: Promise<string> | undefined;
  #asked: Promise<string> | undefined;
  /** What was answered last. */
  #jwt: string | undefined;

  constructor(options: RouterOptions) {
    this.#options = options;
    const { connection } = options.client;
    this.#stub = { ...connection.service(TaskCommandRouter), processes: connection.service(Processes) };
    if (options.jwt !== undefined && options.jwt !== "") this.#asked = Promise.resolve(options.jwt);
  }

  taskId(): Promise<string> {
    this.#taskId ??= this.#options.taskId().catch((error: unknown) => {
      this.#taskId = undefined;
      throw typedError(error);
    });
    return this.#taskId;
  }

  /** A call whose answer is one message. Failures are errors of the SDK, or the reason of the signal. */
  async call<T>(make: (router: Router, taskId: string, options: CallOptions) => Promise<T>, options: CallOptions = {}): Promise<T> {
    const taskId = await this.taskId();
    for (let attempt = 1; ; attempt++) {
      const jwt = await this.#valid();
      try {
        return await make(this.#stub, taskId, { ...options, headers: authorization(jwt) });
      } catch (error) {
        if (options.signal?.aborted) throw options.signal.reason;
        if (attempt > 1 || !this.#forgetIfRefused(error, jwt)) throw typedError(error);
      }
    }
  }

  /** A call whose answer is a stream. Not resumed: only its reader knows where. */
  async *stream<T>(
    make: (router: Router, taskId: string, options: CallOptions) => AsyncIterable<T>,
    options: CallOptions = {},
  ): AsyncGenerator<T, void, undefined> {
    const taskId = await this.taskId();
    for (let attempt = 1; ; attempt++) {
      const jwt = await this.#valid();
      let hasBegun = false;
      try {
        for await (const message of make(this.#stub, taskId, { ...options, headers: authorization(jwt) })) {
          hasBegun = true;
          yield message;
        }
        return;
      } catch (error) {
        if (options.signal?.aborted) throw options.signal.reason;
        if (hasBegun || attempt > 1 || !this.#forgetIfRefused(error, jwt)) throw typedError(error);
      }
    }
  }

  /** The token that is there, or one that takes its place because it is about to expire. */
  async #valid(): Promise<string> {
    const jwt = await this.#token();
    if (expiresAtMs(jwt) - MARGIN_MS >= Date.now()) return jwt;
    this.#forget(jwt);
    return this.#token();
  }

  async #token(): Promise<string> {
    this.#asked ??= this.#options.access().then(({ jwt }) => jwt);
    const asked = this.#asked;
    try {
      this.#jwt = await asked;
      return this.#jwt;
    } catch (error) {
      if (this.#asked === asked) this.#asked = undefined;
      throw typedError(error);
    }
  }

  /** Unless another call has replaced it already. */
  #forget(jwt: string): void {
    if (this.#jwt === jwt) this.#asked = this.#jwt = undefined;
  }

  #forgetIfRefused(error: unknown, jwt: string): boolean {
    if (!LydianError.is(error) || error.code !== "unauthenticated") return false;
    this.#forget(jwt);
    return true;
  }
}

const authorization = (jwt: string) => ({ authorization: `Bearer ${jwt}` });

/** Infinity for a token that does not say. */
function expiresAtMs(jwt: string): number {
  try {
    const { exp } = JSON.parse(Buffer.from(jwt.split(".")[1] ?? "", "base64url").toString()) as { exp?: unknown };
    return typeof exp === "number" ? exp * 1000 : Number.POSITIVE_INFINITY;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
