// Log lines of apps. Appending never waits: lines that arrive in one turn are written together, behind the caller's back.
import { Wakeup } from "../calls/wakeup.ts";
import type { LogStore, StoredLog } from "./store.ts";

export interface LogEntry {
  readonly appId: string;
  readonly taskId?: string;
  readonly functionId?: string;
  readonly callId?: string;
  readonly inputId?: string;
  readonly imageId?: string;
  /** 1 stdout, 2 stderr, 3 words of the server. */
  readonly fd: 1 | 2 | 3;
  readonly text: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

export interface LogFilter {
  readonly taskId?: string;
  readonly functionId?: string;
  readonly callId?: string;
  readonly inputId?: string;
  /** 0: all. */
  readonly fd?: number;
}

/** Longer lines are cut. */
const MAX_TEXT = 64 * 1024;
/** Lines kept of an app; the oldest go first. */
const MAX_LINES_PER_APP = 200_000;
const TRIM_EVERY = 10_000;
const PAGE = 1_000;

export class Logs {
  readonly #store: LogStore;
  readonly #onError: (error: unknown) => void;
  #pending: LogEntry[] = [];
  #writing: Promise<void> | undefined;
  readonly #changed = new Map<string, Wakeup>();
  readonly #since = new Map<string, number>();

  constructor(store: LogStore, onError: (error: unknown) => void) {
    this.#store = store;
    this.#onError = onError;
  }

  append(entry: LogEntry): void {
    this.#pending.push(entry.text.length > MAX_TEXT ? { ...entry, text: `${entry.text.slice(0, MAX_TEXT)} … (cut)\n` } : entry);
    this.#writing ??= this.#write();
  }

  /** Resolves when all that was appended is stored. */
  async flush(): Promise<void> {
    while (this.#writing) await this.#writing;
  }

  /** Woken when lines of the app were stored, or by `wake`. */
  changed(appId: string): Wakeup {
    let wakeup = this.#changed.get(appId);
    if (!wakeup) {
      wakeup = new Wakeup();
      this.#changed.set(appId, wakeup);
    }
    return wakeup;
  }

  /** What was stored after an entry, oldest first, up to a page. */
  after(appId: string, entryId: number, filter: LogFilter): StoredLog[] {
    return this.#store.after(appId, entryId, filter, PAGE);
  }

  /** Nobody follows it any more. */
  forget(appId: string): void {
    this.#changed.get(appId)?.wake();
    this.#changed.delete(appId);
    this.#since.delete(appId);
  }

  async #write(): Promise<void> {
    try {
      while (this.#pending.length > 0) {
        const entries = this.#pending;
        this.#pending = [];
        await this.#store.insert(entries);
        await this.#trim(entries);
        for (const appId of new Set(entries.map((entry) => entry.appId))) this.#changed.get(appId)?.wake();
      }
    } catch (error) {
      this.#onError(error);
    } finally {
      this.#writing = undefined;
      if (this.#pending.length > 0) this.#writing = this.#write();
    }
  }

  async #trim(entries: readonly LogEntry[]): Promise<void> {
    for (const { appId } of entries) this.#since.set(appId, (this.#since.get(appId) ?? 0) + 1);
    for (const [appId, count] of this.#since) {
      if (count < TRIM_EVERY) continue;
      this.#since.set(appId, 0);
      await this.#store.trim(appId, MAX_LINES_PER_APP);
    }
  }
}
