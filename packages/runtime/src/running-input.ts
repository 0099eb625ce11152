import {
  DataFormat,
  type FunctionGetInputsItem,
  type InputContext,
  LydianError,
  GenericResult_GenericStatus as Status,
} from "@lydian/protocol";
import type { OutputInit, ResultInit } from "./outputs.ts";

/** Answers wait for the server's acknowledgement elsewhere; here one input has exactly one answer, and later ones are dropped. */
export class RunningInput {
  readonly item: FunctionGetInputsItem;
  readonly context: InputContext;
  readonly #controller = new AbortController();
  readonly #startedAt = Date.now();
  readonly #answer: (output: OutputInit) => void;
  readonly #deadlineTimer: NodeJS.Timeout;
  #answered = false;
  #timedOut = false;

  constructor(options: { item: FunctionGetInputsItem; timeoutMs: number; answer: (output: OutputInit) => void }) {
    this.item = options.item;
    this.#answer = options.answer;
    this.context = {
      inputId: options.item.inputId,
      functionCallId: options.item.functionCallId,
      attempt: options.item.retryCount + 1,
      deadline: new Date(this.#startedAt + options.timeoutMs),
      signal: this.#controller.signal,
    };
    this.#deadlineTimer = setTimeout(() => this.#timeOut(options.timeoutMs), Math.min(options.timeoutMs, 2 ** 31 - 1));
    this.#deadlineTimer.unref();
  }

  /** Names this attempt: a retry comes under the same input id. */
  get key(): string {
    return `${this.item.inputId}/${this.item.retryCount}`;
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get format(): DataFormat {
    return this.item.input?.dataFormat ?? DataFormat.UNSPECIFIED;
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
    this.#controller.abort(reason);
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
