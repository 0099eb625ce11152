// What is known of the Pythons of images. Finished images never change, so each is asked once in a process's life.
import type { BuiltImage, ImagePython } from "@lydian/containers";

const MAX_REMEMBERED = 10_000;

export class Pythons {
  readonly #ask: (image: BuiltImage) => Promise<ImagePython | undefined>;
  readonly #known = new Map<string, Promise<ImagePython | undefined>>();

  constructor(ask: (image: BuiltImage) => Promise<ImagePython | undefined>) {
    this.#ask = ask;
  }

  /** The Python of an image; callers at the same time share one question, and one that failed is asked again. */
  of(imageId: string, image: BuiltImage): Promise<ImagePython | undefined> {
    const known = this.#known.get(imageId);
    if (known !== undefined) return known;
    const asked = this.#ask(image);
    this.#known.set(imageId, asked);
    asked.catch(() => this.#known.delete(imageId));
    const [oldest] = this.#known.keys();
    if (this.#known.size > MAX_REMEMBERED && oldest !== undefined) this.#known.delete(oldest);
    return asked;
  }
}
