// Log lines of apps. Appending never waits: lines that arrive in one turn are written together, behind the caller's back.
import { Wakeup } from "../calls/wakeup.ts";
import type { LogCount, LogStore, StoredLog } from "./store.ts";

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

/** Milliseconds since the epoch. */
export interface LogWindow {
  readonly since: number;
  /** Not included. */
  readonly until: number;
  /** Lines that contain it; empty for all. */
  readonly text: string;
}

export interface LogLimits {
  /** Longer lines are cut, with a mark. */
  readonly lineCharacters: number;
  /** Kept of each app; beyond, the oldest lines go. */
  readonly appLines: number;
  readonly appBytes: number;
  /** Lines that wait to be stored; beyond, new ones are dropped, and a line says how many. */
  readonly pendingCharacters: number;
  /** How long the lines of a stopped app are kept. */
  readonly stoppedMs: number;
}

const LIMITS: LogLimits = {
  lineCharacters: 64 * 1024,
  appLines: 200_000,
  appBytes: 256 << 20,
  pendingCharacters: 64 << 20,
  stoppedMs: 7 * 86_400_000,
};
const SWEEP_EVERY_MS = 3_600_000;
const PAGE = 1_000;

export interface LogsDependencies {
  readonly store: LogStore;
  readonly onError: (error: unknown) => void;
  readonly limits?: Partial<LogLimits>;
  readonly now?: () => number;
}

export class Logs {
  readonly #store: LogStore;
  readonly #onError: (error: unknown) => void;
  readonly #limits: LogLimits;
  readonly #now: () => number;
  readonly #changed = new Map<string, Wakeup>();
  /** What is stored of the apps that print. */
  readonly #kept = new Map<string, { lines: number; bytes: number }>();
  readonly #dropped = new Map<string, number>();
  #pending: LogEntry[] = [];
  #pendingCharacters = 0;
  #writing: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor({ store, onError, limits, now = Date.now }: LogsDependencies) {
    this.#store = store;
    this.#onError = onError;
    this.#limits = { ...LIMITS, ...limits };
    this.#now = now;
  }

  /** Removes what is older than it is kept, now and then every hour. */
  start(): void {
    const sweep = () => void this.sweep().catch(this.#onError);
    this.#timer = setInterval(sweep, SWEEP_EVERY_MS);
    this.#timer.unref();
    sweep();
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.flush();
  }

  append(entry: LogEntry): void {
    const { lineCharacters, pendingCharacters } = this.#limits;
    const text = entry.text.length > lineCharacters ? `${entry.text.slice(0, lineCharacters)} … (cut)\n` : entry.text;
    if (this.#pendingCharacters + text.length > pendingCharacters) {
      this.#dropped.set(entry.appId, (this.#dropped.get(entry.appId) ?? 0) + 1);
      return;
    }
    this.#pendingCharacters += text.length;
    this.#pending.push({ ...entry, text });
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

  /** What was stored after `place`, oldest first, up to a page; and the place to go on from, past lines that the filter left out. */
  after(appId: string, place: number, filter: LogFilter): { readonly lines: StoredLog[]; readonly place: number } {
    const newest = this.#store.newest();
    const lines = this.#store.after(appId, place, filter, PAGE);
    return { lines, place: lines.length === PAGE ? (lines.at(-1)?.entryId ?? place) : Math.max(place, newest) };
  }

  /** The last lines of a window of time, oldest first. */
  within(appId: string, window: LogWindow, filter: LogFilter, limit: number): StoredLog[] {
    return this.#store.within(appId, window, filter, limit);
  }

  /** How many lines there are by parts of a window, each `partMs` long and beginning at a multiple of it. */
  count(appId: string, window: LogWindow, filter: LogFilter, partMs: number): LogCount[] {
    return this.#store.count(appId, window, filter, partMs);
  }

  /** The app prints no more: whoever follows it is told. */
  forget(appId: string): void {
    this.#changed.get(appId)?.wake();
    this.#changed.delete(appId);
    this.#kept.delete(appId);
  }

  async sweep(): Promise<void> {
    const before = this.#now() - this.#limits.stoppedMs;
    while ((await this.#store.deleteOfStopped(before)) > 0);
  }

  async #write(): Promise<void> {
    try {
      // What is appended in the rest of this turn comes along.
      await undefined;
      while (this.#pending.length > 0) {
        const entries = this.#take();
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

  #take(): LogEntry[] {
    const entries = this.#pending;
    for (const [appId, count] of this.#dropped) {
      const text = `${count} lines were dropped here: they came faster than they could be stored.\n`;
      entries.push({ appId, fd: 3, text, at: this.#now() });
    }
    this.#pending = [];
    this.#pendingCharacters = 0;
    this.#dropped.clear();
    return entries;
  }

  async #trim(entries: readonly LogEntry[]): Promise<void> {
    const touched = new Set(entries.map(({ appId }) => appId));
    const measured = new Set([...touched].filter((appId) => !this.#kept.has(appId)));
    for (const appId of measured) this.#kept.set(appId, this.#store.measure(appId));
    for (const { appId, text } of entries) {
      const kept = this.#kept.get(appId);
      if (!kept || measured.has(appId)) continue;
      kept.lines += 1;
      kept.bytes += Buffer.byteLength(text);
    }
    const { appLines, appBytes } = this.#limits;
    for (const appId of touched) {
      const kept = this.#kept.get(appId);
      while (kept && (kept.lines > appLines || kept.bytes > appBytes)) {
        const deleted = await this.#store.deleteOldest(appId, kept.lines - appLines);
        kept.lines -= deleted.lines;
        kept.bytes -= deleted.bytes;
        if (deleted.lines === 0) break;
      }
    }
  }
}
