// Containers started for nobody: their runtime is up and waits for a function, so that the next cold start of their image is only the
// import of the user's code. One per image, for the images used last; made when the machine has nothing else to do, or while cold starts
// follow each other: then the next is under way before it is asked for.
import type { Function as FunctionDefinition } from "@lydian/protocol";
import type { Clock, Deadlines } from "../calls/deadlines.ts";
import type { Capacity } from "./capacity.ts";
import type { PoolContainer } from "./container.ts";
import { fitsStandby, type MountsPort } from "./plan.ts";

export interface StandbyOptions {
  /** Images that have one, the latest used. 0: no standby containers. */
  readonly maxImages: number;
  readonly capacity: Capacity;
  readonly clock: Clock;
  readonly deadlines: Deadlines;
  readonly mounts: MountsPort;
  /** Starts one; undefined when the image cannot be used. */
  readonly start: (imageId: string) => PoolContainer | undefined;
  readonly stop: (container: PoolContainer, reason: string) => void;
}

/** Nothing may have been started for this long. */
const QUIET_MS = 400;
/** A cold start this soon after another is one of a series. */
const SERIES_MS = 1_000;
/** Other starts under way beside which the next of a series is made: more, and they are no series but a crowd. */
const MAX_BESIDE = 1;
/** An image whose standby containers die is left alone. */
const MAX_DEATHS = 3;

export class Standbys {
  readonly #options: StandbyOptions;
  /** By image, least recently used first. Undefined: wanted. */
  readonly #images = new Map<string, PoolContainer | undefined>();
  readonly #deaths = new Map<string, number>();
  #quietAt = 0;
  #coldStartAt = Number.NEGATIVE_INFINITY;
  #planned = false;
  #closed = false;

  constructor(options: StandbyOptions) {
    this.#options = options;
  }

  /** A container of this image was started: one more may be wanted soon. */
  used(imageId: string): void {
    const { maxImages, clock } = this.#options;
    if (maxImages === 0 || this.#closed) return;
    const standby = this.#images.get(imageId);
    this.#images.delete(imageId);
    this.#images.set(imageId, standby);
    this.#quietAt = clock.now() + QUIET_MS;
    for (const [oldest, container] of this.#images) {
      if (this.#images.size <= maxImages) break;
      this.#images.delete(oldest);
      if (container !== undefined) this.#options.stop(container, "other images were used since");
    }
    this.#plan();
  }

  /** For a cold start: a container that can become one of this function, no longer a standby. It may still be booting. */
  take(definition: FunctionDefinition): PoolContainer | undefined {
    const { mounts, clock } = this.#options;
    const { imageId } = definition;
    if (!fitsStandby(definition, mounts)) return undefined;
    const inSeries = clock.now() - this.#coldStartAt < SERIES_MS;
    this.#coldStartAt = clock.now();
    const container = this.#images.get(imageId);
    const usable = container?.running !== undefined && container.live;
    if (usable) {
      this.#images.set(imageId, undefined);
      this.#deaths.delete(imageId);
    }
    if (inSeries && this.#isWanted(imageId) && this.#options.capacity.starting <= MAX_BESIDE) this.#start(imageId);
    return usable ? container : undefined;
  }

  /** A standby container has ended before it was taken. */
  ended(container: PoolContainer): void {
    if (this.#images.get(container.imageId) !== container) return;
    this.#images.set(container.imageId, undefined);
    this.#deaths.set(container.imageId, (this.#deaths.get(container.imageId) ?? 0) + 1);
  }

  /** Makes room for a container that somebody waits for. */
  evict(): void {
    for (const [imageId, container] of this.#images) {
      if (container === undefined) continue;
      this.#images.delete(imageId);
      this.#options.stop(container, "its place was needed");
      return;
    }
  }

  close(): void {
    this.#closed = true;
    this.#images.clear();
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
    const wanted = [...this.#images.keys()].filter((imageId) => this.#isWanted(imageId));
    const imageId = wanted.at(-1);
    if (imageId === undefined || this.#closed) return;
    if (capacity.starting > 0 || clock.now() < this.#quietAt) {
      this.#quietAt = Math.max(this.#quietAt, clock.now() + QUIET_MS / 2);
      this.#plan();
      return;
    }
    this.#start(imageId);
    if (wanted.length > 1) this.#plan();
  }

  #isWanted(imageId: string): boolean {
    return this.#images.has(imageId) && this.#images.get(imageId) === undefined && (this.#deaths.get(imageId) ?? 0) < MAX_DEATHS;
  }

  #start(imageId: string): void {
    if (this.#closed || this.#options.capacity.whyNot() !== undefined) return;
    this.#images.set(imageId, this.#options.start(imageId));
  }
}
