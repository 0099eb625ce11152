// What the machine takes at once, over all pools: containers that exist, and starts under way (more of them at a time would only make
// each of them slower). Pools that find no room wait in line and are told when there may be some.
import { availableParallelism, totalmem } from "node:os";

export interface CapacityLimits {
  /** Containers that exist at once. Default: three quarters of the memory at 64 MiB each, 8 to 1,000. */
  readonly maxContainers: number;
  /** Starts under way at once. Default: two a core, at least 4. */
  readonly maxStarting: number;
}

const TYPICAL_CONTAINER_BYTES = 64 * 1024 ** 2;

export function defaultCapacity(): CapacityLimits {
  const byMemory = Math.floor((totalmem() * 0.75) / TYPICAL_CONTAINER_BYTES);
  return { maxContainers: Math.min(1000, Math.max(8, byMemory)), maxStarting: Math.max(4, availableParallelism() * 2) };
}

export class Capacity {
  readonly #limits: CapacityLimits;
  readonly #waiting = new Set<() => void>();
  readonly #onFull: () => void;
  #existing = 0;
  #starting = 0;

  /** `onFull` is told when a container is wanted and none may be added: it may end one that nobody needs. */
  constructor(limits: CapacityLimits, onFull: () => void) {
    this.#limits = limits;
    this.#onFull = onFull;
  }

  get existing(): number {
    return this.#existing;
  }

  get starting(): number {
    return this.#starting;
  }

  /** Undefined when one more container may be started; otherwise why not, for a person. */
  whyNot(): string | undefined {
    const { maxContainers, maxStarting } = this.#limits;
    if (this.#existing >= maxContainers)
      return `waiting for capacity: ${this.#existing} containers exist, the most this server runs at once`;
    if (this.#starting >= maxStarting) return `waiting for capacity: ${this.#starting} containers are being started`;
    return undefined;
  }

  startBegun(): void {
    this.#existing++;
    this.#starting++;
  }

  /** The container is up, or its start has failed. */
  startOver(): void {
    this.#starting--;
    this.#tell();
  }

  containerEnded(): void {
    this.#existing--;
    this.#tell();
  }

  /** `tell` is called once, when there may be room. First come, first served. */
  wait(tell: () => void): void {
    this.#waiting.add(tell);
    if (this.#existing >= this.#limits.maxContainers) this.#onFull();
  }

  #tell(): void {
    while (this.#waiting.size > 0 && this.whyNot() === undefined) {
      const [first] = this.#waiting;
      if (first === undefined) return;
      this.#waiting.delete(first);
      // Perhaps it does not want the room any more: then the next may have it.
      first();
    }
  }
}
