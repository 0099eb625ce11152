// Answers on their way to the server: at once when nothing else is being sent, together with others under load.
import { type GenericResultSchema, LydianError, type MessageInitShape } from "@lydian/protocol";
import type { ControlPlane, OutputInit } from "./control-plane.ts";

export type ResultInit = Exclude<MessageInitShape<typeof GenericResultSchema>, { $typeName: string }>;

const MAX_ITEMS = 1_000;
const MAX_BYTES = 16 * 1024 * 1024;
/** Codes that speak about the output itself: sending it again would not help, sending the others would. */
const REFUSALS = new Set(["invalid_argument", "resource_exhausted", "out_of_range"]);

export interface OutputQueueOptions {
  readonly client: ControlPlane;
  /** What to send in place of an output that the server refused. */
  readonly refused: (output: OutputInit, error: LydianError) => OutputInit;
  /** The server could not be told in spite of retries: the container must end, so that its inputs are run again. */
  readonly onLost: (error: unknown) => void;
}

/** Its length is bounded by the inputs a container may hold at once, each of which has one output. */
export class OutputQueue {
  readonly #options: OutputQueueOptions;
  #waiting: OutputInit[] = [];
  #sending: Promise<void> | undefined;

  constructor(options: OutputQueueOptions) {
    this.#options = options;
  }

  put(output: OutputInit): void {
    this.#waiting.push(output);
    this.#sending ??= this.#send();
  }

  /** Resolves when everything put so far has reached the server or is lost. */
  async flush(): Promise<void> {
    while (this.#sending) await this.#sending;
  }

  async #send(): Promise<void> {
    try {
      // One turn of the event loop, so that inputs that end together are answered together.
      await new Promise<void>((resolve) => setImmediate(resolve));
      while (this.#waiting.length > 0) await this.#deliver(this.#take());
    } catch (error) {
      this.#waiting = [];
      this.#options.onLost(error);
    } finally {
      this.#sending = undefined;
    }
  }

  async #deliver(outputs: readonly OutputInit[]): Promise<void> {
    try {
      await this.#options.client.putOutputs(outputs);
    } catch (error) {
      const [first] = outputs;
      if (!first || !LydianError.is(error) || !REFUSALS.has(error.code)) throw error;
      if (outputs.length === 1) return this.#options.client.putOutputs([this.#options.refused(first, error)]);
      for (const output of outputs) await this.#deliver([output]);
    }
  }

  #take(): OutputInit[] {
    let bytes = 0;
    let count = 0;
    for (const { result } of this.#waiting) {
      const size = result?.dataOneof?.case === "data" ? result.dataOneof.value.byteLength : 0;
      if (count > 0 && (bytes + size > MAX_BYTES || count >= MAX_ITEMS)) break;
      bytes += size;
      count++;
    }
    return this.#waiting.splice(0, count);
  }
}
