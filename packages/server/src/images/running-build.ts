// A build in this process: its log while it grows, and who waits for it.
import type { BuildLogLine } from "@lydian/containers";
import type { ImageStore, LogLine } from "./store.ts";

/** Lines that are kept of one build; what comes after is shown live only if nobody needs it again, that is not at all. */
const MAX_LINES = 20_000;
const MAX_BYTES = 8 * 2 ** 20;
/** Lines are stored in batches: each batch costs a durable write. */
const STORE_EVERY_MS = 200;
/** After a crash, lines that a client has seen may not have been stored: the new run numbers on beyond them. */
const GAP = 100_000;
const FILE_DESCRIPTORS = { stdout: 1, stderr: 2, info: 3 } as const;

export class RunningBuild {
  readonly controller = new AbortController();
  /** Apps that wait for the image. When all of them have stopped, the build is cancelled. */
  readonly apps = new Set<string>();
  /** Resolves when the build has ended and its end is stored. Never rejects. */
  readonly ended: Promise<void>;
  readonly #imageId: string;
  readonly #store: ImageStore;
  readonly #now: () => number;
  readonly #lines: LogLine[] = [];
  readonly #waiting = new Set<() => void>();
  #seq: number;
  #bytes = 0;
  #stored = 0;
  #timer: NodeJS.Timeout | undefined;
  #isEnded = false;

  constructor(imageId: string, store: ImageStore, now: () => number, run: (build: RunningBuild) => Promise<void>) {
    this.#imageId = imageId;
    this.#store = store;
    this.#now = now;
    const last = store.lastLogSeq(imageId);
    this.#seq = last === 0 ? 0 : last + GAP;
    this.ended = Promise.resolve()
      .then(() => run(this))
      .catch(() => {}) // `run` stores its own failure; a store that fails is tried again when the image is asked for.
      .finally(() => {
        this.#isEnded = true;
        clearTimeout(this.#timer);
        this.#wake();
      });
  }

  readonly log = (line: BuildLogLine): void => {
    if (this.#lines.length > MAX_LINES || this.#bytes > MAX_BYTES) return;
    this.#bytes += line.text.length;
    const isLast = this.#lines.length === MAX_LINES || this.#bytes > MAX_BYTES;
    this.#seq += 1;
    this.#lines.push({
      seq: this.#seq,
      at: this.#now(),
      fd: isLast ? 3 : FILE_DESCRIPTORS[line.stream],
      text: isLast ? "The log is full; the rest of it is not kept." : line.text,
    });
    this.#wake();
    this.#timer ??= setTimeout(() => void this.storeLog().catch(() => {}), STORE_EVERY_MS).unref();
  };

  /** Makes the log so far durable. */
  async storeLog(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const lines = this.#lines.slice(this.#stored);
    this.#stored = this.#lines.length;
    if (lines.length > 0) await this.#store.appendLogs(this.#imageId, lines);
  }

  /** Lines of this run after `seq`. */
  linesAfter(seq: number): readonly LogLine[] {
    const first = this.#lines[0]?.seq ?? 0;
    return this.#lines.slice(Math.max(0, seq - first + 1));
  }

  /** Resolves at the next line, at the end, or when one of the signals aborts. */
  async changed(signals: readonly AbortSignal[]): Promise<void> {
    if (this.#isEnded || signals.some((signal) => signal.aborted)) return;
    let wake = (): void => {};
    const woken = new Promise<void>((resolve) => {
      wake = resolve;
    });
    this.#waiting.add(wake);
    for (const signal of signals) signal.addEventListener("abort", wake, { once: true });
    await woken;
    this.#waiting.delete(wake);
    for (const signal of signals) signal.removeEventListener("abort", wake);
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }
}
