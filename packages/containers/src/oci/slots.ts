// The pool of ready slots. A start takes one; a replacement is made in the background, one at a time and only while no start
// is under way, so that making slots never delays a start.

import { makeSlot, type Slot, type SlotOptions } from "./slot.ts";

export class Slots {
  readonly #options: SlotOptions;
  readonly #ready: Slot[] = [];
  readonly #prefix: string;
  #target = 0;
  #next = 0;
  #busy = 0;
  readonly #diskMiB: number;
  #refilling: Promise<void> | undefined;
  #closed = false;
  #idle: (() => void) | undefined;

  /** `taken`: names that slots of an earlier process still have. */
  constructor(prefix: string, defaultDiskMiB: number, options: SlotOptions, taken: Iterable<string>) {
    this.#prefix = prefix;
    for (const name of taken) this.#next = Math.max(this.#next, Number.parseInt(name.slice(prefix.length), 36) + 1);
    this.#diskMiB = defaultDiskMiB;
    this.#options = options;
  }

  get readyCount(): number {
    return this.#ready.length;
  }

  /** Sets how many to keep ready, and resolves when they are. Rejects with the reason when they cannot be made. */
  async warm(count: number): Promise<void> {
    this.#target = count;
    await this.#refill();
  }

  /**
   * A slot of this size: a ready one or a new one. A ready one of another size is of no use: its shell is in the container's
   * control group already, which may not set up loop devices. Call `done` after the start.
   */
  async take(diskMiB: number): Promise<Slot> {
    if (this.#closed) throw new Error("The container host has been closed.");
    this.#busy++;
    for (const dead of this.#ready.filter((slot) => slot.dead)) {
      this.#ready.splice(this.#ready.indexOf(dead), 1);
      void dead.remove().catch(() => {});
    }
    const fitting = this.#ready.findIndex((slot) => slot.diskMiB === diskMiB);
    const [found] = fitting === -1 ? [] : this.#ready.splice(fitting, 1);
    return found ?? this.#make(diskMiB);
  }

  done(): void {
    this.#busy--;
    if (this.#busy > 0) return;
    this.#idle?.();
    // A failure here shows itself, with its reason, at the next start that finds no slot.
    this.#refill().catch(() => {});
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#idle?.();
    await this.#refilling?.catch(() => {});
    await Promise.all(this.#ready.splice(0).map((slot) => slot.remove()));
  }

  #make(diskMiB: number): Promise<Slot> {
    const name = `${this.#prefix}${(this.#next++).toString(36)}`;
    return makeSlot(name, diskMiB, this.#options);
  }

  #refill(): Promise<void> {
    this.#refilling ??= this.#fill().finally(() => {
      this.#refilling = undefined;
    });
    return this.#refilling;
  }

  async #fill(): Promise<void> {
    while (!this.#closed && this.#ready.length < this.#target) {
      if (this.#busy > 0) {
        await new Promise<void>((resolve) => {
          this.#idle = resolve;
        });
        this.#idle = undefined;
        continue;
      }
      this.#ready.push(await this.#make(this.#diskMiB));
    }
    while (this.#ready.length > this.#target) await this.#ready.pop()?.remove();
  }
}
