/** How long a client may repeat a request whose answer it did not get. */
const REMEMBER_MS = 120_000;
const MAX_REMEMBERED = 200_000;

/** What requests with an idempotency key led to. A repeated one gets the first one's outcome, also while that is under way. */
export class RecentRequests<T> {
  readonly #byKey = new Map<string, { readonly at: number; readonly outcome: Promise<T> }>();
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** An empty key is never remembered. A failed run is forgotten, so that a repetition tries again. */
  once(key: string, run: () => Promise<T>): Promise<T> {
    if (key === "") return run();
    const known = this.#byKey.get(key);
    if (known) return known.outcome;
    const outcome = run();
    this.remember(key, outcome);
    outcome.catch(() => this.#byKey.delete(key));
    return outcome;
  }

  remember(key: string, outcome: Promise<T>): void {
    const now = this.#now();
    for (const [old, { at }] of this.#byKey) {
      if (now - at < REMEMBER_MS && this.#byKey.size < MAX_REMEMBERED) break;
      this.#byKey.delete(old);
    }
    this.#byKey.set(key, { at: now, outcome });
  }
}
