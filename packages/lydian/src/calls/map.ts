// A map: one call, many inputs. Inputs go out in batches while outputs come in. What is out and not yet taken by the consumer
// is bounded, which is what makes endless sources and slow consumers safe.
import {
  type FunctionGetOutputsItem,
  FunctionCallInvocationType as Invocation,
  inputColumns,
  GenericResult_GenericStatus as Status,
  FunctionCallType as Type,
} from "@lydian/protocol";
import { currentClient } from "../client.ts";
import { InvalidError, typedError } from "../errors.ts";
import type { CallTarget } from "../function-handle.ts";
import type { AnyIterable, MapOptions } from "../function-types.ts";
import { cancelCall } from "./call-info.ts";
import { readOutputs } from "./outputs.ts";
import { decodeValue, encodeInline, type InputOptions, isLarge, uploadInput, type WireInput } from "./payload.ts";
import { type CallerStack, callerStack, resultError } from "./result.ts";
import { Signal } from "./signal.ts";
import { callTarget } from "./target.ts";

const DEFAULT_WINDOW = 1_000;
const MAX_BATCH = 500;
const MAX_BATCH_BYTES = 8 << 20;

export async function* remoteMap(
  target: CallTarget,
  source: AnyIterable<unknown[]>,
  options: MapOptions,
): AsyncGenerator<unknown, void, undefined> {
  const map = new RunningMap(target, options, callerStack());
  try {
    yield* map.run(source);
    map.isOver = true;
  } catch (error) {
    if (map.signal?.aborted) throw map.signal.reason;
    throw typedError(error);
  } finally {
    map.end();
  }
}

class RunningMap {
  isOver = false;
  /** Of this map and of the handle that makes it. */
  readonly signal: AbortSignal | undefined;
  readonly #target: CallTarget;
  readonly #options: MapOptions;
  readonly #calledFrom: CallerStack;
  readonly #ended = new AbortController();
  readonly #changed = new Signal();
  readonly #taken = new Signal();
  #functionId = "";
  #inputOptions: InputOptions = {};
  #callId = "";
  #window = DEFAULT_WINDOW;
  #sent = 0;
  /** Indices that are out; at most as many as the window. */
  readonly #unanswered = new Set<number>();
  #yielded = 0;
  #sourceDone = false;
  #failure: { readonly error: unknown } | undefined;
  /** Outputs by index (ordered), or in the order of arrival. */
  readonly #arrived = new Map<number, FunctionGetOutputsItem>();

  constructor(target: CallTarget, options: MapOptions, calledFrom: CallerStack) {
    this.#target = target;
    this.#options = options;
    this.signal = options.signal && target.signal ? AbortSignal.any([options.signal, target.signal]) : (options.signal ?? target.signal);
    this.#calledFrom = calledFrom;
  }

  async *run(source: AnyIterable<unknown[]>): AsyncGenerator<unknown, void, undefined> {
    this.signal?.throwIfAborted();
    const { callee, response: call } = await callTarget(this.#target, ({ isGenerator }) => {
      if (isGenerator) throw new InvalidError(`${this.#target.name()} is a generator: its values come from remoteGen.`);
      return { type: Type.MAP, invocation: Invocation.SYNC };
    });
    this.#functionId = callee.functionId;
    this.#inputOptions = { format: callee.format, method: this.#target.method };
    this.#callId = call.functionCallId;
    this.#window = call.maxInputsOutstanding || DEFAULT_WINDOW;
    const onAbort = () => this.#fail(this.signal?.reason);
    if (this.signal?.aborted) onAbort();
    this.signal?.addEventListener("abort", onAbort, { once: true });
    void this.#send(source).catch((error: unknown) => this.#fail(error));
    void this.#receive().catch((error: unknown) => this.#fail(error));
    try {
      for (;;) {
        if (this.#failure) throw this.#failure.error;
        const output = this.#next();
        if (output) {
          this.#yielded++;
          this.#taken.notify();
          yield await this.#value(output);
        } else if (this.#sourceDone && this.#yielded === this.#sent) return;
        else await this.#changed.next();
      }
    } finally {
      this.signal?.removeEventListener("abort", onAbort);
    }
  }

  /** Stops what still goes on; a map that was left early is cancelled. */
  end(): void {
    this.#ended.abort();
    this.#taken.notify();
    if (!this.isOver && this.#callId !== "") void cancelCall(this.#callId, false).catch(() => undefined);
  }

  #fail(error: unknown): void {
    if (this.#ended.signal.aborted) return;
    this.#failure ??= { error };
    this.#changed.notify();
  }

  #next(): FunctionGetOutputsItem | undefined {
    const key = (this.#options.ordered ?? true) ? this.#yielded : this.#arrived.keys().next().value;
    if (key === undefined) return undefined;
    const output = this.#arrived.get(key);
    if (output) this.#arrived.delete(key);
    return output;
  }

  async #value({ result, dataFormat }: FunctionGetOutputsItem): Promise<unknown> {
    if (result?.status === Status.SUCCESS) return decodeValue(result, dataFormat);
    const error = await resultError(result, dataFormat, this.#calledFrom);
    if (this.#options.returnExceptions) return error;
    throw error;
  }

  async #send(source: AnyIterable<unknown[]>): Promise<void> {
    for await (const batch of this.#batches(source)) {
      if (this.#ended.signal.aborted) return;
      await this.#put(batch);
    }
    this.#sourceDone = true;
    this.#changed.notify();
  }

  async #put(batch: readonly { readonly idx: number; readonly input: WireInput }[]): Promise<void> {
    const { modal, bulk } = currentClient();
    const [functionCallId, options] = [this.#callId, { signal: this.#ended.signal }];
    const inputs = inputColumns(batch.map(({ input }) => input));
    if (inputs !== undefined) await bulk.functionPutInputs({ functionCallId, firstIdx: batch[0]?.idx ?? 0, inputs }, options);
    else await modal.functionPutInputs({ functionId: this.#functionId, functionCallId, inputs: [...batch] }, options);
  }

  async *#batches(source: AnyIterable<unknown[]>): AsyncGenerator<{ idx: number; input: WireInput }[]> {
    let batch: { idx: number; input: WireInput }[] = [];
    let bytes = 0;
    const isAsync = Symbol.asyncIterator in source;
    const iterator = isAsync ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
    const close = () => closeSource(iterator);
    // At once, also when the source is what is waited for.
    this.#ended.signal.addEventListener("abort", close, { once: true });
    try {
      for (;;) {
        const next = iterator.next();
        // A source that makes us wait: what is there goes out meanwhile.
        if (isAsync && batch.length > 0 && !(await settlesSoon(next))) {
          yield batch;
          [batch, bytes] = [[], 0];
        }
        const step = isAsync ? await next : (next as IteratorResult<unknown[]>);
        if (step.done || this.#ended.signal.aborted) break;
        if (this.#isFull && batch.length > 0) {
          yield batch;
          [batch, bytes] = [[], 0];
        }
        while (this.#isFull && !this.#ended.signal.aborted) await this.#taken.next();
        const encoded = encodeInline(step.value, this.#inputOptions);
        const input = isLarge(encoded.bytes) ? await uploadInput(encoded.input) : encoded.input;
        this.#unanswered.add(this.#sent);
        batch.push({ idx: this.#sent++, input });
        bytes += encoded.bytes;
        if (batch.length >= MAX_BATCH || bytes >= MAX_BATCH_BYTES) {
          yield batch;
          [batch, bytes] = [[], 0];
        }
      }
      if (batch.length > 0 && !this.#ended.signal.aborted) yield batch;
    } finally {
      this.#ended.signal.removeEventListener("abort", close);
      if (!this.#ended.signal.aborted) close();
    }
  }

  get #isFull(): boolean {
    return this.#sent - this.#yielded >= this.#window;
  }

  async #receive(): Promise<void> {
    let lastEntryId = "0-0";
    while (!this.#ended.signal.aborted) {
      const page = await readOutputs({ functionCallId: this.#callId, lastEntryId }, Number.POSITIVE_INFINITY, this.#ended.signal);
      lastEntryId = page.lastEntryId;
      for (const output of page.outputs) {
        // One that was sent before is a repetition.
        if (this.#unanswered.delete(output.idx)) this.#arrived.set(output.idx, output);
      }
      if (page.outputs.length > 0) this.#changed.notify();
    }
  }
}

/** The map has its outcome: what a source's clean-up throws changes nothing in it. */
function closeSource(source: Iterator<unknown> | AsyncIterator<unknown>): void {
  const close = async () => source.return?.();
  void close().catch(() => undefined);
}

/** Whether it settles before the event loop turns. */
function settlesSoon(step: unknown): Promise<boolean> {
  return Promise.race([
    Promise.resolve(step).then(
      () => true,
      () => true,
    ),
    new Promise<boolean>((resolve) => setImmediate(resolve, false)),
  ]);
}
