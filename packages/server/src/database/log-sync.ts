// Makes durable what is committed: syncs SQLite's write-ahead log.
//
// SQLite would sync inside of each commit, and the whole server would wait for the disk with it. So SQLite writes (`synchronous = NORMAL`: it
// syncs when it moves the log into the database, which keeps the file whole), and the log is synced here, by another thread. Commits made
// meanwhile wait for the next sync together. The log is a sequence: no commit is durable before those that came before it.
import { closeSync, fdatasync, fdatasyncSync, openSync } from "node:fs";
import { LydianError } from "@lydian/protocol";

export class LogSync {
  readonly #path: string;
  #fd: number | undefined;
  /** Who waits for the sync that is under way; undefined when none is. */
  #running: (() => void)[] | undefined;
  /** And for the one after it. */
  #next: (() => void)[] = [];
  #closed = false;

  constructor(databasePath: string) {
    this.#path = `${databasePath}-wal`;
  }

  /** Nothing is being synced. */
  get idle(): boolean {
    return this.#running === undefined;
  }

  /** Returns when everything committed is on the disk. Cheaper than another thread when nothing else is to be done meanwhile. */
  now(): void {
    try {
      fdatasyncSync(this.#open());
    } catch (error) {
      throw lost(error);
    }
  }

  /** Calls back when everything committed so far is on the disk. */
  soon(durable: () => void): void {
    this.#next.push(durable);
    if (this.#running === undefined) this.#start();
  }

  /** Everybody who waits is called back before it returns. */
  close(): void {
    if (this.#closed) return;
    if (this.#fd !== undefined) this.now();
    this.#closed = true;
    for (const durable of [...(this.#running ?? []), ...this.#next.splice(0)]) durable();
    if (this.#running === undefined && this.#fd !== undefined) closeSync(this.#fd);
  }

  #start(): void {
    const waiting = this.#next;
    this.#running = waiting;
    this.#next = [];
    const fd = this.#open();
    fdatasync(fd, (error) => {
      this.#running = undefined;
      if (this.#closed) return closeSync(fd);
      if (error !== null) throw lost(error);
      if (this.#next.length > 0) this.#start();
      for (const durable of waiting) durable();
    });
  }

  /** The log exists since the first commit, and as long as the database is open. */
  #open(): number {
    this.#fd ??= openSync(this.#path, "r");
    return this.#fd;
  }
}

/**
 * Nobody catches it: what the disk has of the log is unknown then, also for a second try. The process ends, and the next one reads what is
 * there.
 */
function lost(cause: unknown): LydianError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new LydianError("data_loss", `The disk of the data directory did not store what was written to it: ${reason}.`, {
    cause,
    hint: "Look at the kernel's log. Nothing that was not on the disk has been acknowledged.",
  });
}
