// Payloads are kept in memory while they are soon needed and there is room; all of them are in the journal, so one that is not
// kept costs a read and nothing else. This bounds the server's memory whatever is queued.
export class PayloadMemory {
  readonly #limitBytes: number;
  #usedBytes = 0;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** Whether it may be kept; then `release` must follow. */
  admit(bytes: number): boolean {
    if (this.#usedBytes + bytes > this.#limitBytes) return false;
    this.#usedBytes += bytes;
    return true;
  }

  release(bytes: number): void {
    this.#usedBytes -= bytes;
  }
}
