import {
  type Bagged,
  DataFormat,
  type FunctionGetInputsItem,
  type InputContext,
  LydianError,
  GenericResult_GenericStatus as Status,
} from "@lydian/protocol";
import type { OutputInit } from "./control-plane.ts";
import type { ResultInit } from "./outputs.ts";

/** Answers wait for the server's acknowledgement elsewhere; here one input has exactly one answer, and later ones are dropped. */
export class RunningInput implements Bagged {
  readonly item: FunctionGetInputsItem;
  readonly context: InputContext;
  /** What its handler runs in: its own context, or that of the batch it is in. */
  scope: InputContext;
  place = -1;
  /** Made when somebody asks for its signal: most handlers do not, and it is the dearest part of an input. */
  #controller: AbortController | undefined;
  #aborted: { readonly reason: Error } | undefined;
  readonly #startedAt = Date.now();
  readonly #answer: (output: OutputInit) => void;
  readonly #deadlineTimer: NodeJS.Timeout;
  #answered = false;
  #timedOut = false;

  constructor(options: { item: FunctionGetInputsItem; timeoutMs: number; answer: (output: OutputInit) => void }) {
    this.item = options.item;
    this.#answer = options.answer;
    this.context = new Context(this, this.#startedAt + options.timeoutMs);
    this.scope = this.context;
    this.#deadlineTimer = setTimeout(() => this.#timeOut(options.timeoutMs), Math.min(options.timeoutMs, 2 ** 31 - 1));
    this.#deadlineTimer.unref();
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#aborted !== undefined) this.#controller.abort(this.#aborted.reason);
    }
    return this.#controller.signal;
  }

  throwIfAborted(): void {
    if (this.#aborted !== undefined) throw this.#aborted.reason;
  }

  get format(): DataFormat {
    return this.item.input?.dataFormat ?? DataFormat.UNSPECIFIED;
  }

  /** Of a class; empty for a function. */
  get method(): string {
    return this.item.input?.methodName ?? "";
  }

  /** Whether the caller is ours, and reads values that plain CBOR has not. */
  get rich(): boolean {
    return this.format === DataFormat.CBOR_TS;
  }

  get answered(): boolean {
    return this.#answered;
  }

  /** Aborts the handler's signal and answers TERMINATED now, whatever the handler makes of it. */
  cancel(): void {
    this.abort(new LydianError("cancelled", "the call was cancelled"));
    this.answer({ status: Status.TERMINATED, exception: "the call was cancelled" });
  }

  /** Aborts the handler's signal only. */
  abort(reason: Error): void {
    this.#aborted ??= { reason };
    this.#controller?.abort(reason);
  }

  answer(result: ResultInit, dataFormat: DataFormat = this.format): void {
    if (this.#answered) return;
    this.#answered = true;
    this.#answer({
      inputId: this.item.inputId,
      functionCallId: this.item.functionCallId,
      retryCount: this.item.retryCount,
      // What a handler says after its deadline is no longer its result.
      result: this.#timedOut ? { status: Status.TIMEOUT, exception: "the input ran into its timeout" } : result,
      dataFormat,
      inputStartedAt: this.#startedAt / 1000,
      outputCreatedAt: Date.now() / 1000,
    });
  }

  /** To be called when the handler's code has ended. */
  end(): void {
    clearTimeout(this.#deadlineTimer);
  }

  /** The server decides about timeouts and stops what does not react; this lets a handler react first. */
  #timeOut(timeoutMs: number): void {
    this.#timedOut = true;
    this.abort(new LydianError("deadline_exceeded", `the input ran longer than its timeout of ${timeoutMs / 1000} s`));
  }
}

/** What a handler sees of its input; what few look at is made when they do. */
class Context implements InputContext {
  readonly inputId: string;
  readonly functionCallId: string;
  readonly attempt: number;
  readonly #input: RunningInput;
  readonly #deadlineAt: number;

  constructor(input: RunningInput, deadlineAt: number) {
    this.inputId = input.item.inputId;
    this.functionCallId = input.item.functionCallId;
    this.attempt = input.item.retryCount + 1;
    this.#input = input;
    this.#deadlineAt = deadlineAt;
  }

  get deadline(): Date {
    return new Date(this.#deadlineAt);
  }

  get signal(): AbortSignal {
    return this.#input.signal;
  }
}
