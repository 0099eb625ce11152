// Containers started for nobody: their runtime is up and waits for a function, so that the next cold start of their image is only the
// import of the user's code. One per kind (an image and a runtime), for the kinds used last; made when the machine has nothing else to do, or while cold starts
// follow each other: then the next is under way before it is asked for.
import type { Clock, Deadlines } from "../calls/deadlines.ts";
import type { Capacity } from "./capacity.ts";
import type { PoolContainer } from "./container.ts";
import type { StandbyKind } from "./runtimes/runtime-kind.ts";

export interface StandbyOptions {
  /** Kinds that have one, the latest used. 0: no standby containers. */
  readonly maxKinds: number;
  readonly capacity: Capacity;
  readonly clock: Clock;
  readonly deadlines: Deadlines;
  readonly start: (kind: StandbyKind) => PoolContainer;
  readonly stop: (container: PoolContainer, reason: string) => void;
}

/** Nothing may have been started for this long. */
const QUIET_MS = 400;
/** A cold start this soon after another is one of a series. */
const SERIES_MS = 1_000;
/** Other starts under way beside which the next of a series is made: more, and they are no series but a crowd. */
const MAX_BESIDE = 1;
/** A kind whose standby containers die is left alone. */
const MAX_DEATHS = 3;

interface Wanted {
  readonly kind: StandbyKind;
  /** Undefined: there is none. */
  readonly container: PoolContainer | undefined;
}

export class Standbys {
  readonly #options: StandbyOptions;
  /** By key, least recently used first. */
  readonly #kinds = new Map<string, Wanted>();
  readonly #deaths = new Map<string, number>();
  #quietAt = 0;
  #coldStartAt = Number.NEGATIVE_INFINITY;
  #planned = false;
  #closed = false;

  constructor(options: StandbyOptions) {
    this.#options = options;
  }

  /** A container of this kind was started, or is about to be asked for: one more may be wanted soon. */
  used(kind: StandbyKind): void {
    const { maxKinds, clock } = this.#options;
    if (maxKinds === 0 || this.#closed) return;
    const container = this.#kinds.get(kind.key)?.container;
    this.#kinds.delete(kind.key);
    this.#kinds.set(kind.key, { kind, container });
    this.#quietAt = clock.now() + QUIET_MS;
    for (const [oldest, wanted] of this.#kinds) {
      if (this.#kinds.size <= maxKinds) break;
      this.#kinds.delete(oldest);
      if (wanted.container !== undefined) this.#options.stop(wanted.container, "other images were used since");
    }
    this.#plan();
  }

  /** For a cold start: a container that can become one of this kind, no longer a standby. It may still be booting. */
  take(kind: StandbyKind | undefined): PoolContainer | undefined {
    if (kind === undefined) return undefined;
    const { clock, capacity } = this.#options;
    const inSeries = clock.now() - this.#coldStartAt < SERIES_MS;
    this.#coldStartAt = clock.now();
    const container = this.#kinds.get(kind.key)?.container;
    const usable = container?.running !== undefined && container.live;
    if (usable) {
      this.#kinds.set(kind.key, { kind, container: undefined });
      this.#deaths.delete(kind.key);
    }
    if (inSeries && this.#isWanted(kind.key) && capacity.starting <= MAX_BESIDE) this.#start(kind.key);
    return usable ? container : undefined;
  }

  /** A standby container has ended before it was taken. */
  ended(container: PoolContainer): void {
    const { standby } = container;
    if (standby === undefined || this.#kinds.get(standby.key)?.container !== container) return;
    this.#kinds.set(standby.key, { kind: standby, container: undefined });
    this.#deaths.set(standby.key, (this.#deaths.get(standby.key) ?? 0) + 1);
  }

  /** Makes room for a container that somebody waits for. */
  evict(): void {
    for (const [key, { container }] of this.#kinds) {
      if (container === undefined) continue;
      this.#kinds.delete(key);
      this.#options.stop(container, "its place was needed");
      return;
    }
  }

  close(): void {
    this.#closed = true;
    this.#kinds.clear();
  }

  #plan(): void {
    if (this.#planned || this.#closed) return;
    this.#planned = true;
    this.#options.deadlines.add(this.#quietAt, () => {
      this.#planned = false;
      this.#make();
    });
  }

  #make(): void {
    const { clock, capacity } = this.#options;
    const wanted = [...this.#kinds.keys()].filter((key) => this.#isWanted(key));
    const key = wanted.at(-1);
    if (key === undefined || this.#closed) return;
    if (capacity.starting > 0 || clock.now() < this.#quietAt) {
      this.#quietAt = Math.max(this.#quietAt, clock.now() + QUIET_MS / 2);
      this.#plan();
      return;
    }
    this.#start(key);
    if (wanted.length > 1) this.#plan();
  }

  #isWanted(key: string): boolean {
    const wanted = this.#kinds.get(key);
    return wanted !== undefined && wanted.container === undefined && (this.#deaths.get(key) ?? 0) < MAX_DEATHS;
  }

  #start(key: string): void {
    const wanted = this.#kinds.get(key);
    if (wanted === undefined || this.#closed || this.#options.capacity.whyNot() !== undefined) return;
    this.#kinds.set(key, { kind: wanted.kind, container: this.#options.start(wanted.kind) });
  }
}
