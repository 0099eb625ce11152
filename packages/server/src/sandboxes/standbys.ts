// Containers that wait for a sandbox: started, their agent connected, of the images used last. A sandbox that takes one is created in the time
// of its first process. What waits holds an agent of a megabyte and runs nothing.
import type { Deadlines } from "../calls/deadlines.ts";
import type { StartedContainer } from "./sandbox.ts";

export interface StandbysOptions {
  readonly deadlines: Deadlines;
  readonly now: () => number;
  /** A container of the image, without limits, that may reach the outside. */
  readonly start: (imageId: string) => Promise<StartedContainer>;
  readonly onError: (what: string, error: unknown) => void;
}

const MAX_IMAGES = 4;
const PER_IMAGE = 2;
/** Nothing may have been started for this long: whoever waits for a container comes first. */
const QUIET_MS = 25;
/** An image whose containers die is left alone. */
const MAX_FAILURES = 3;

interface OfImage {
  readonly ready: StartedContainer[];
  failures: number;
}

export class Standbys {
  readonly #options: StandbysOptions;
  /** By image, least recently used first. */
  readonly #images = new Map<string, OfImage>();
  #quietAt = 0;
  #starting = 0;
  #making: Promise<void> | undefined;
  #planned = false;
  #closed = false;

  constructor(options: StandbysOptions) {
    this.#options = options;
  }

  /** One that waits for the image; it is the caller's then. */
  take(imageId: string): StartedContainer | undefined {
    return this.#images.get(imageId)?.ready.shift();
  }

  /** A sandbox of the image was asked for: others may come. */
  used(imageId: string): void {
    if (this.#closed) return;
    const known = this.#images.get(imageId) ?? { ready: [], failures: 0 };
    this.#images.delete(imageId);
    this.#images.set(imageId, known);
    for (const [oldest, { ready }] of this.#images) {
      if (this.#images.size <= MAX_IMAGES) break;
      this.#images.delete(oldest);
      for (const container of ready) this.#remove(container);
    }
    this.#plan();
  }

  /** A start that somebody waits for is under way, until the result is disposed. */
  starting(): Disposable {
    this.#starting += 1;
    return {
      [Symbol.dispose]: () => {
        this.#starting -= 1;
        this.#plan();
      },
    };
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#making;
    const all = [...this.#images.values()].flatMap(({ ready }) => ready);
    this.#images.clear();
    await Promise.all(all.map((container) => container.remove()));
  }

  #plan(): void {
    const { deadlines, now } = this.#options;
    this.#quietAt = now() + QUIET_MS;
    if (this.#planned || this.#closed) return;
    this.#planned = true;
    deadlines.add(this.#quietAt, () => {
      this.#planned = false;
      if (this.#making !== undefined || this.#starting > 0) return;
      if (now() < this.#quietAt) this.#plan();
      else this.#make();
    });
  }

  #make(): void {
    const wanted = [...this.#images].reverse().find(([, { ready, failures }]) => ready.length < PER_IMAGE && failures < MAX_FAILURES);
    if (wanted === undefined || this.#closed) return;
    const [imageId, ofImage] = wanted;
    this.#making = this.#options
      .start(imageId)
      .then(
        (container) => {
          ofImage.failures = 0;
          if (this.#closed || this.#images.get(imageId) !== ofImage) this.#remove(container);
          else this.#add(ofImage, container);
        },
        (error: unknown) => {
          ofImage.failures += 1;
          this.#options.onError(`a container could not be made ahead of the image ${imageId}`, error);
        },
      )
      .finally(() => {
        this.#making = undefined;
        this.#plan();
      });
  }

  #add(ofImage: OfImage, container: StartedContainer): void {
    ofImage.ready.push(container);
    void container.agent.gone.then(() => {
      const at = ofImage.ready.indexOf(container);
      if (at < 0) return;
      ofImage.ready.splice(at, 1);
      ofImage.failures += 1;
      this.#remove(container);
      this.#plan();
    });
  }

  #remove(container: StartedContainer): void {
    container.remove().catch((error: unknown) => this.#options.onError("a container that was made ahead could not be removed", error));
  }
}
