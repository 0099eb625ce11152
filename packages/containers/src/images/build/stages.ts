// The stages of a build as far as it has come.
import type { Instruction } from "../dockerfile/instructions.ts";
import { neededStages, stageNames, stageNumber } from "../dockerfile/stages.ts";
import type { BuiltImage } from "../image.ts";

export class Stages {
  readonly #names: readonly (string | undefined)[];
  readonly #needed: ReadonlySet<number>;
  readonly #finished: BuiltImage[] = [];
  #current = -1;

  constructor(instructions: readonly Instruction[]) {
    this.#names = stageNames(instructions);
    this.#needed = neededStages(instructions);
  }

  /** Whether what comes now is part of the image, or before the first stage. */
  get isNeeded(): boolean {
    return this.#current < 0 || this.#needed.has(this.#current);
  }

  /** Begins the next stage. `image` is what the one before has become. */
  begin(image: BuiltImage): void {
    if (this.#current >= 0) this.#finished[this.#current] = image;
    this.#current += 1;
  }

  /** The image of an earlier stage, by name or number. */
  image(name: string): BuiltImage | undefined {
    const number = stageNumber(this.#names, name, this.#current);
    return number === undefined ? undefined : this.#finished[number];
  }
}
