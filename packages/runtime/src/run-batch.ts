// Several inputs through one call of the handler: it gets a list for each parameter, and returns a list with an item for each input.
import {
  encodePayload,
  type InputContext,
  LydianError,
  type ServedFunction,
  GenericResult_GenericStatus as Status,
} from "@lydian/protocol";
import { callArguments } from "./call-arguments.ts";
import type { PayloadTransfer } from "./payload-transfer.ts";
import { argumentBytes, type InputRunner } from "./run-input.ts";
import type { RunningInput } from "./running-input.ts";

interface Ready {
  readonly input: RunningInput;
  readonly fn: ServedFunction;
  readonly args: readonly unknown[];
}

/** Resolves when the handler's code has ended and each input has its answer. Never rejects. */
export async function runBatch(inputs: readonly RunningInput[], runner: InputRunner): Promise<void> {
  const context = new BatchContext(inputs);
  for (const input of inputs) input.scope = context;
  await runner.currentInput.run(context, async () => {
    const ready = (await Promise.all(inputs.map((input) => prepare(input, runner)))).filter((each) => each !== undefined);
    // The server gives those of one method together; should it ever not, each method gets its own.
    for (const fn of new Set(ready.map((each) => each.fn))) {
      const group = ready.filter((each) => each.fn === fn);
      await runTogether(fn, group, runner);
    }
  });
  for (const input of inputs) input.end();
}

/** An input whose arguments cannot be had fails alone. */
async function prepare(input: RunningInput, runner: InputRunner): Promise<Ready | undefined> {
  try {
    const fn = runner.service.find(input.method);
    const args = await callArguments(await argumentBytes(input, runner.transfer), input.format, fn);
    input.throwIfAborted();
    return { input, fn, args };
  } catch (error) {
    runner.fail(input, error);
    return undefined;
  }
}

async function runTogether(fn: ServedFunction, group: readonly Ready[], { transfer, fail }: InputRunner): Promise<void> {
  let results: readonly unknown[];
  try {
    results = resultsOf(await fn.handler(...columns(group.map(({ args }) => args))), group.length);
  } catch (error) {
    for (const { input } of group) fail(input, error);
    return;
  }
  await Promise.all(group.map(({ input }, i) => answer(input, results[i], transfer).catch((error: unknown) => fail(input, error))));
}

async function answer(input: RunningInput, result: unknown, transfer: PayloadTransfer): Promise<void> {
  if (input.answered) return;
  const data = await transfer.place(encodePayload(result, { rich: input.rich }));
  input.answer({ status: Status.SUCCESS, dataOneof: data });
}

/** One list per parameter. Always at least one: a handler without parameters has to know how many it is asked for. */
function columns(rows: readonly (readonly unknown[])[]): unknown[][] {
  const width = Math.max(1, ...rows.map((row) => row.length));
  return Array.from({ length: width }, (_, i) => rows.map((row) => row[i]));
}

function resultsOf(value: unknown, count: number): readonly unknown[] {
  if (Array.isArray(value) && value.length === count) return value;
  const got = Array.isArray(value) ? `an array of ${value.length}` : value === null ? "null" : `a value of type ${typeof value}`;
  throw new LydianError(
    "invalid_argument",
    `the batched handler was given ${count} ${count === 1 ? "input" : "inputs"} and returned ${got}`,
    {
      hint: "It must return an array with one result for each input, in their order.",
    },
  );
}

/** Ids are those of the first; the signal is aborted when nobody waits for any of them any more. */
class BatchContext implements InputContext {
  readonly inputId: string;
  readonly functionCallId: string;
  readonly attempt: number;
  readonly #inputs: readonly RunningInput[];
  #signal: AbortSignal | undefined;

  constructor(inputs: readonly RunningInput[]) {
    const first = inputs[0]?.context;
    this.inputId = first?.inputId ?? "";
    this.functionCallId = first?.functionCallId ?? "";
    this.attempt = first?.attempt ?? 1;
    this.#inputs = inputs;
  }

  get deadline(): Date {
    return new Date(Math.min(...this.#inputs.map(({ context }) => context.deadline.getTime())));
  }

  get signal(): AbortSignal {
    this.#signal ??= whenAll(this.#inputs.map(({ signal }) => signal));
    return this.#signal;
  }
}

function whenAll(signals: readonly AbortSignal[]): AbortSignal {
  const controller = new AbortController();
  const check = () => {
    if (signals.every(({ aborted }) => aborted)) controller.abort(signals.at(-1)?.reason);
  };
  for (const signal of signals) signal.addEventListener("abort", check, { once: true });
  check();
  return controller.signal;
}
