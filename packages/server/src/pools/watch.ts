import type { MessageInitShape } from "@bufbuild/protobuf";
import type { AppWatchResponseSchema, ContainerStartedSchema } from "@lydian/protocol";
import { setTimeout as sleep } from "node:timers/promises";
import { Wakeup } from "../calls/wakeup.ts";

type Started = MessageInitShape<typeof ContainerStartedSchema>;
type WatchMessage = MessageInitShape<typeof AppWatchResponseSchema>;

/** Changes closer together than this are told as one. */
const COALESCE_MS = 100;
const MAX_REMEMBERED = 1_000;

/** What watchers of one app are told. */
export class AppFeed {
  readonly changed = new Wakeup();
  #started: Started[] = [];
  #dropped = 0;
  isOver = false;

  containerStarted(started: Started): void {
    this.#started.push(started);
    if (this.#started.length > MAX_REMEMBERED) {
      this.#started.shift();
      this.#dropped++;
    }
    this.changed.wake();
  }

  end(): void {
    this.isOver = true;
    this.changed.wake();
  }

  async *follow(pools: () => NonNullable<WatchMessage["pools"]>, ...signals: readonly AbortSignal[]): AsyncIterable<WatchMessage> {
    let told = 0;
    for (;;) {
      const started = this.#started.slice(Math.max(0, told - this.#dropped));
      told = this.#dropped + this.#started.length;
      yield { pools: pools(), started };
      if (this.isOver || signals.some((signal) => signal.aborted)) return;
      await this.changed.wait(60_000, ...signals);
      await sleep(COALESCE_MS, undefined, { ref: false });
    }
  }
}
