// What a generator yields, on its way to the server: chunks without gaps from index 1, several in one request while one is under way.
import type { DataChunkSchema, DataFormat, MessageInitShape } from "@lydian/protocol";
import type { ControlPlane } from "./control-plane.ts";
import type { PlacedData } from "./payload-transfer.ts";

const MAX_CHUNKS = 256;
const MAX_BYTES = 4 * 1024 * 1024;

type ChunkInit = MessageInitShape<typeof DataChunkSchema>;

export class GeneratorOutput {
  readonly #client: ControlPlane;
  readonly #functionCallId: string;
  readonly #format: DataFormat;
  readonly #signal: AbortSignal;
  #waiting: ChunkInit[] = [];
  #waitingBytes = 0;
  #sending: Promise<void> | undefined;
  #failure: { readonly error: unknown } | undefined;
  #count = 0;

  constructor(options: { client: ControlPlane; functionCallId: string; format: DataFormat; signal: AbortSignal }) {
    this.#client = options.client;
    this.#functionCallId = options.functionCallId;
    this.#format = options.format;
    this.#signal = options.signal;
  }

  get count(): number {
    return this.#count;
  }

  /** Resolves when the generator may go on: at once while little is waiting, else when the server has taken what waits. */
  async push(data: PlacedData): Promise<void> {
    this.#throwFailure();
    this.#count++;
    this.#waiting.push({ dataFormat: this.#format, dataOneof: data, index: BigInt(this.#count) });
    this.#waitingBytes += data.case === "data" ? data.value.byteLength : 0;
    this.#sending ??= this.#send();
    if (this.#waiting.length >= MAX_CHUNKS || this.#waitingBytes >= MAX_BYTES) await this.#sending;
    this.#throwFailure();
  }

  /** Resolves when the server has everything. */
  async flush(): Promise<void> {
    while (this.#sending) await this.#sending;
    this.#throwFailure();
  }

  async #send(): Promise<void> {
    try {
      while (this.#waiting.length > 0 && !this.#failure) {
        const dataChunks = this.#waiting;
        this.#waiting = [];
        this.#waitingBytes = 0;
        await this.#client.functionCallPutDataOut(
          { callInfo: { case: "functionCallId", value: this.#functionCallId }, dataChunks },
          { signal: this.#signal },
        );
      }
    } catch (error) {
      this.#failure = { error };
    } finally {
      this.#sending = undefined;
    }
  }

  #throwFailure(): void {
    if (this.#failure) throw this.#failure.error;
  }
}

/** The data of a GENERATOR_DONE output: a GeneratorDone message, whose field 1 is the number of chunks. */
export function generatorDone(count: number): Uint8Array {
  const bytes: number[] = [];
  if (count > 0) {
    bytes.push(0x08);
    let rest = count;
    for (; rest > 0x7f; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80);
    bytes.push(rest);
  }
  return Uint8Array.from(bytes);
}
