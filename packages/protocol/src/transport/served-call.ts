// What all calls on a server have in common, whichever way they came: who calls, how long, and one end.
//
//   open ──response or error sent──▶ over
//     └──client gone, deadline, shutdown (aborts the signal)──▶ over
import type { DescMessage } from "@bufbuild/protobuf";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import type { Bagged } from "../bag.ts";
import { ERROR_CODES, LydianError } from "../errors.ts";
import type { CallContext, Headers, Peer } from "./context.ts";
import { checkSize } from "./framing.ts";
import { PROTOCOL_VERSION_HEADER } from "./protocol-version.ts";
import { MAX_TIMER_MS, parseTimeout } from "./timeout.ts";

/** Of every stream that is served. */
export const RESPONSE_HEADERS = { ":status": 200, "content-type": "application/grpc", "grpc-accept-encoding": "identity" };

/** A method, looked up by path once per call. */
export interface PreparedMethod<C> {
  readonly path: string;
  readonly input: DescMessage;
  readonly output: DescMessage;
  readonly kind: "unary" | "server_streaming" | "client_streaming";
  readonly handler: (request: never, context: CallContext<C>) => unknown;
}

/** What all calls of a server share. */
export interface CallEnvironment<C> {
  readonly authenticate: (headers: Headers, peer: Peer, method: string) => C | Promise<C>;
  readonly onError: (error: unknown, method: string) => void;
  readonly maxMessageBytes: number;
  readonly draining: AbortSignal;
}

export abstract class ServedCall<C> implements CallContext<C>, Bagged {
  place = -1;
  readonly headers: Headers;
  readonly peer: Peer;
  protected readonly prepared: PreparedMethod<C>;
  protected readonly environment: CallEnvironment<C>;
  /** Answered, given up or ended: nothing more is sent. */
  protected over = false;
  #caller: C | undefined;
  #abortReason: LydianError | undefined;
  #controller: AbortController | undefined;
  #deadline: NodeJS.Timeout | undefined;

  constructor(prepared: PreparedMethod<C>, environment: CallEnvironment<C>, headers: Headers, peer: Peer) {
    this.prepared = prepared;
    this.environment = environment;
    this.headers = headers;
    this.peer = peer;
  }

  get method(): string {
    return this.prepared.path;
  }

  /** Made by a program of ours; the official clients say no version of ours. */
  get isOurs(): boolean {
    return this.headers[PROTOCOL_VERSION_HEADER] !== undefined;
  }

  get caller(): C {
    return this.#caller as C; // Set before a handler can see this object.
  }

  get draining(): AbortSignal {
    return this.environment.draining;
  }

  /** Made when first asked for: most calls never do. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#abortReason !== undefined) this.#controller.abort(this.#abortReason);
    }
    return this.#controller.signal;
  }

  /** Ends the call from outside: the handler's signal fires and the client gets `reason`. */
  abort(reason: LydianError): void {
    if (this.over) return;
    this.stop(reason);
    this.sendStatus(reason);
  }

  /** The client is gone, or waits no more. */
  abandon(): void {
    if (!this.over) this.stop(new LydianError("cancelled", `the client gave up ${this.method}`));
  }

  protected abstract sendStatus(error: LydianError): void;

  /** Starts the deadline and finds out who calls. */
  protected async begin(): Promise<void> {
    const timeout = this.headers["grpc-timeout"];
    if (timeout !== undefined) this.#startDeadline(timeout);
    const caller = this.environment.authenticate(this.headers, this.peer, this.method);
    this.#caller = caller instanceof Promise ? await caller : caller;
  }

  protected handle(message: Uint8Array): unknown {
    return this.prepared.handler(this.decode(message) as never, this);
  }

  protected decode(message: Uint8Array): unknown {
    return decode(this.prepared.input, message);
  }

  protected encode(response: unknown): Uint8Array {
    const { output } = this.prepared;
    const message = toBinary(output, create(output, response as never));
    checkSize(message.byteLength, this.environment.maxMessageBytes, "response");
    return message;
  }

  protected fail(error: unknown): void {
    const { onError } = this.environment;
    if (this.over) {
      // What a handler throws because it was aborted is no news; anything else still is.
      if (error !== this.#abortReason && !isAbort(error) && !LydianError.is(error)) onError(error, this.method);
      return;
    }
    this.finish();
    if (LydianError.is(error)) {
      if (ERROR_CODES[error.code].fault === "system" && error.code !== "unavailable") onError(error, this.method);
      this.sendStatus(error);
      return;
    }
    onError(error, this.method);
    this.sendStatus(new LydianError("internal", `${this.method} failed inside the server; the cause is in the server's log`));
  }

  protected stop(reason: LydianError): void {
    this.finish();
    this.#abortReason = reason;
    this.#controller?.abort(reason);
  }

  protected finish(): void {
    this.over = true;
    if (this.#deadline !== undefined) clearTimeout(this.#deadline);
  }

  #startDeadline(header: string): void {
    const timeoutMs = parseTimeout(header);
    if (timeoutMs === undefined) throw new LydianError("invalid_argument", `grpc-timeout "${header}" is not digits and a unit (HMSmun)`);
    const elapsed = () => this.abort(new LydianError("deadline_exceeded", `${this.method} did not finish within ${timeoutMs} ms`));
    this.#deadline = setTimeout(elapsed, Math.min(timeoutMs, MAX_TIMER_MS));
  }
}

function decode(schema: DescMessage, bytes: Uint8Array): unknown {
  try {
    return fromBinary(schema, bytes);
  } catch (cause) {
    throw new LydianError("invalid_argument", `the request is no valid ${schema.typeName}: ${(cause as Error).message}`, { cause });
  }
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === "AbortError";
}
