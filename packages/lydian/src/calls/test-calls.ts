// For tests: one map call as a server keeps it. The test decides what is answered, and when.
import {
  type Bulk,
  DataFormat,
  decodePayload,
  encodePayload,
  errorToWire,
  type FunctionGetOutputsItemSchema,
  type FunctionInput,
  type Handlers,
  inputsOf,
  type MessageInitShape,
  type ModalClient,
  GenericResult_GenericStatus as Status,
} from "@lydian/protocol";

type Output = MessageInitShape<typeof FunctionGetOutputsItemSchema>;

export interface TestInput {
  readonly idx: number;
  readonly args: readonly unknown[];
}

export interface TestMapOptions {
  /** Inputs without an output that a client may have. */
  readonly window?: number;
  /** Called for each input that arrives. */
  readonly onInput?: (input: TestInput, map: TestMap) => void;
}

/** A promise and what settles it. */
export function deferred<T = void>() {
  let resolve: (value: T) => void = () => undefined;
  const promise = new Promise<T>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}

export async function all<T>(values: AsyncIterable<T>): Promise<T[]> {
  const result: T[] = [];
  for await (const value of values) result.push(value);
  return result;
}

export class TestMap {
  readonly inputs: TestInput[] = [];
  readonly cancelled = deferred<string>();
  /** Of the server. */
  readonly services: {
    readonly modal: Partial<Handlers<typeof ModalClient, unknown>>;
    readonly bulk: Partial<Handlers<typeof Bulk, unknown>>;
  };
  /** Inputs per request. */
  readonly batches: number[] = [];
  made = 0;
  readonly #outputs: Output[] = [];
  readonly #onInput: NonNullable<TestMapOptions["onInput"]>;
  readonly #waiters = new Set<() => void>();

  constructor({ window = 0, onInput = () => undefined }: TestMapOptions = {}) {
    const modal: Partial<Handlers<typeof ModalClient, unknown>> = {
      functionMap: () => {
        this.made++;
        return { functionCallId: "fc-map", maxInputsOutstanding: window };
      },
      functionPutInputs: ({ inputs }) => this.#put(inputs),
      functionCallCancel: ({ functionCallId }) => {
        this.cancelled.resolve(functionCallId);
        return {};
      },
    };
    const bulk: Partial<Handlers<typeof Bulk, unknown>> = {
      functionPutInputs: ({ firstIdx, inputs }) => this.#put(inputsOf(inputs).map((input, i) => ({ idx: firstIdx + i, input }))),
      functionGetOutputs: async ({ lastEntryId }, { signal }) => {
        const from = Number.parseInt(lastEntryId, 10);
        await this.until(() => this.#outputs.length > from, signal);
        return { others: this.#outputs.slice(from), lastEntryId: `${this.#outputs.length}-0` };
      },
    };
    this.services = { modal, bulk };
    this.#onInput = onInput;
  }

  #put(inputs: readonly { readonly idx: number; readonly input?: FunctionInput | undefined }[]) {
    this.batches.push(inputs.length);
    for (const { idx, input } of inputs) {
      const [args] = decodePayload(input?.argsOneof.value as Uint8Array) as [unknown[]];
      this.inputs.push({ idx, args });
      this.#onInput({ idx, args }, this);
    }
    this.#wake();
    return {};
  }

  answer(idx: number, value: unknown): void {
    this.#push({
      idx,
      dataFormat: DataFormat.CBOR_TS,
      result: { status: Status.SUCCESS, dataOneof: { case: "data", value: encodePayload(value, { rich: true }) } },
    });
  }

  fail(idx: number, error: unknown): void {
    const value = encodePayload(errorToWire(error), { rich: true });
    this.#push({ idx, dataFormat: DataFormat.CBOR_TS, result: { status: Status.FAILURE, dataOneof: { case: "data", value } } });
  }

  /** Resolves when the condition holds after something has happened here, or the signal is aborted. */
  async until(condition: () => boolean, signal?: AbortSignal): Promise<void> {
    while (!condition() && !signal?.aborted) {
      await new Promise<void>((resolve) => {
        this.#waiters.add(resolve);
        signal?.addEventListener("abort", () => resolve(), { once: true });
      });
    }
  }

  #push(output: Output): void {
    this.#outputs.push(output);
    this.#wake();
  }

  #wake(): void {
    const waiters = [...this.#waiters];
    this.#waiters.clear();
    for (const wake of waiters) wake();
  }
}
