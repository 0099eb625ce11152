// Containers that have booted but belong to no function yet. Giving one a function is the fast cold start.
import type { PoolContainer } from "./pool-container.ts";

export interface StandbyDependencies {
  /** Starts a container without a function. Resolves when it waits for one; undefined when it could not be had. */
  readonly start: (imageId: string) => Promise<PoolContainer | undefined>;
  readonly discard: (container: PoolContainer) => void;
  /** Whether the machine has nothing more urgent to start. */
  readonly isQuiet: () => boolean;
}

/** Images that keep standby containers: those used last. */
const MAX_IMAGES = 2;
const PER_IMAGE = 2;
/** Replacements wait until starts that somebody waits for are through. */
const SETTLE_MS = 50;

export class Standby {
  readonly #d: StandbyDependencies;
  /** Least recently used first. */
  readonly #byImage = new Map<string, PoolContainer[]>();
  #timer: NodeJS.Timeout | undefined;
  #filling: Promise<void> | undefined;
  #stopped = false;

  constructor(dependencies: StandbyDependencies) {
    this.#d = dependencies;
  }

  get size(): number {
    let size = 0;
    for (const ready of this.#byImage.values()) size += ready.length;
    return size;
  }

  /** A booted container of this image, which is then the caller's. */
  take(imageId: string): PoolContainer | undefined {
    const container = this.#byImage.get(imageId)?.shift();
    if (container) this.#later();
    return container;
  }

  /** A function used this image: keep some ready from now on. */
  used(imageId: string): void {
    if (this.#stopped) return;
    const ready = this.#byImage.get(imageId) ?? [];
    this.#byImage.delete(imageId);
    this.#byImage.set(imageId, ready);
    while (this.#byImage.size > MAX_IMAGES) {
      const [oldest, containers] = this.#byImage.entries().next().value as [string, PoolContainer[]];
      this.#byImage.delete(oldest);
      for (const container of containers) this.#d.discard(container);
    }
    this.#later();
  }

  /** One of these ended by itself. */
  ended(container: PoolContainer): void {
    const ready = this.#byImage.get(container.imageId);
    const place = ready?.indexOf(container) ?? -1;
    if (place >= 0) ready?.splice(place, 1);
  }

  /** Makes room for something more urgent. Returns whether there was anything to give. */
  giveUpOne(): boolean {
    for (const ready of this.#byImage.values()) {
      const container = ready.pop();
      if (!container) continue;
      this.#d.discard(container);
      return true;
    }
    return false;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#filling;
    for (const ready of this.#byImage.values()) for (const container of ready) this.#d.discard(container);
    this.#byImage.clear();
  }

  #later(): void {
    if (this.#stopped || this.#filling) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#filling = this.#fill().finally(() => {
        this.#filling = undefined;
      });
    }, SETTLE_MS);
    this.#timer.unref();
  }

  async #fill(): Promise<void> {
    for (const [imageId] of [...this.#byImage].reverse()) {
      while (!this.#stopped && (this.#byImage.get(imageId)?.length ?? PER_IMAGE) < PER_IMAGE) {
        if (!this.#d.isQuiet()) {
          this.#timer = setTimeout(() => this.#later(), SETTLE_MS);
          this.#timer.unref();
          return;
        }
        const container = await this.#d.start(imageId);
        const ready = this.#byImage.get(imageId);
        if (!container) return;
        if (!ready || this.#stopped) return this.#d.discard(container);
        ready.push(container);
      }
    }
  }
}
