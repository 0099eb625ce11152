// One input through its handler: arguments in, result, error or yielded values out.
import type { AsyncLocalStorage } from "node:async_hooks";
import {
  DataFormat,
  encodePayload,
  type InputContext,
  LydianError,
  type ServedFunction,
  GenericResult_GenericStatus as Status,
} from "@lydian/protocol";
import { callArguments } from "./call-arguments.ts";
import type { ControlPlane } from "./control-plane.ts";
import { GeneratorOutput, generatorDone } from "./generator-output.ts";
import type { PayloadTransfer } from "./payload-transfer.ts";
import type { RunningInput } from "./running-input.ts";
import type { Service } from "./service.ts";

export interface InputRunner {
  readonly service: Service;
  readonly client: ControlPlane;
  readonly transfer: PayloadTransfer;
  readonly currentInput: AsyncLocalStorage<InputContext>;
  /** Answers the input with what was thrown. */
  readonly fail: (input: RunningInput, thrown: unknown) => void;
}

/** Resolves when the handler's code has ended and the input has its answer. Never rejects. */
export async function runInput(input: RunningInput, runner: InputRunner): Promise<void> {
  try {
    const fn = runner.service.find(input.method);
    const bytes = await argumentBytes(input, runner.transfer);
    await runner.currentInput.run(input.context, async () => {
      const args = await callArguments(bytes, input.format, fn);
      input.throwIfAborted();
      if (fn.isGenerator) await runGenerator(input, fn, args, runner);
      else await runFunction(input, fn, args, runner);
    });
  } catch (error) {
    runner.fail(input, error);
  } finally {
    input.end();
  }
}

export async function argumentBytes(input: RunningInput, transfer: PayloadTransfer): Promise<Uint8Array> {
  const args = input.item.input?.argsOneof;
  if (args?.case === "args") return args.value;
  if (args?.case === "argsBlobId") return transfer.download(args.value, input.signal);
  throw new LydianError("invalid_argument", "the input carries no arguments");
}

async function runFunction(input: RunningInput, fn: ServedFunction, args: unknown[], { transfer }: InputRunner): Promise<void> {
  const result = await fn.handler(...args);
  if (input.answered) return;
  if (isIterator(result)) {
    throw new LydianError("invalid_argument", "the handler returned a generator, which cannot be sent as one value", {
      hint: "Make the handler itself a generator (async function*), and call it with .remoteGen().",
    });
  }
  const data = await transfer.place(encodePayload(result, { rich: input.rich }));
  input.answer({ status: Status.SUCCESS, dataOneof: data });
}

async function runGenerator(input: RunningInput, fn: ServedFunction, args: unknown[], { transfer, client }: InputRunner): Promise<void> {
  const output = new GeneratorOutput({ client, functionCallId: input.item.functionCallId, format: input.format, signal: input.signal });
  const iterator = iteratorOf(await fn.handler(...args));
  let finished = false;
  try {
    for (;;) {
      const next = await untilAborted(Promise.resolve(iterator.next()), input.signal);
      if (next === undefined) break;
      if (next.done) {
        finished = true;
        break;
      }
      await output.push(await transfer.place(encodePayload(next.value, { rich: input.rich }), input.signal));
    }
  } catch (error) {
    await output.flush().catch(() => {}); // The caller gets what was yielded before the error, if it can be had.
    throw error;
  } finally {
    if (!finished) await iterator.return?.(undefined);
  }
  if (!finished) throw input.signal.reason;
  await output.flush();
  input.answer({ status: Status.SUCCESS, dataOneof: { case: "data", value: generatorDone(output.count) } }, DataFormat.GENERATOR_DONE);
}

type AnyIterator = Iterator<unknown, unknown, undefined> | AsyncIterator<unknown, unknown, undefined>;

function iteratorOf(value: unknown): AnyIterator {
  const iterable = value as Partial<AsyncIterable<unknown> & Iterable<unknown>> | null | undefined;
  const iterator = iterable?.[Symbol.asyncIterator]?.() ?? iterable?.[Symbol.iterator]?.();
  if (!iterator) throw new LydianError("invalid_argument", "the generator function returned nothing that can be iterated");
  return iterator as AnyIterator;
}

function isIterator(value: unknown): boolean {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const { next } = value as { next?: unknown };
  return typeof next === "function" && (Symbol.asyncIterator in value || Symbol.iterator in value);
}

/** Undefined when the signal is aborted first: a generator that waits for ever must not hold back its own end. */
function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  if (signal.aborted) return Promise.resolve(undefined);
  return new Promise((resolve, reject) => {
    const onAbort = () => resolve(undefined);
    signal.addEventListener("abort", onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}
