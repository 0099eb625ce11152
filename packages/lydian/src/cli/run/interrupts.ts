// Ctrl-C: the first one asks for a clean end, the second one ends at once.
import { setMaxListeners } from "node:events";
import { EXIT } from "../exit.ts";

export class Interrupted extends Error {
  override readonly name = "Interrupted";

  constructor() {
    super("interrupted");
  }
}

export interface Interrupts {
  /** Aborted by the first signal, with `Interrupted` as its reason. */
  readonly signal: AbortSignal;
  /** Rejects with Interrupted at the first signal, settles with `work` otherwise. */
  race<T>(work: Promise<T>): Promise<T>;
  stop(): void;
}

/** Listens until `stop`. `onSecond` puts the terminal in order before the process ends. */
export function listenForInterrupts(onFirst: () => void, onSecond: () => void): Interrupts {
  const controller = new AbortController();
  // As many calls listen to it as the app has functions.
  setMaxListeners(0, controller.signal);
  const listener = () => {
    if (controller.signal.aborted) {
      onSecond();
      process.exit(EXIT.interrupted);
    }
    onFirst();
    controller.abort(new Interrupted());
  };
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  for (const name of signals) process.on(name, listener);
  const aborted = new Promise<never>((_, reject) => {
    controller.signal.addEventListener("abort", () => reject(controller.signal.reason), { once: true });
  });
  aborted.catch(() => {});
  return {
    signal: controller.signal,
    race: (work) => Promise.race([work, aborted]),
    stop: () => {
      for (const name of signals) process.off(name, listener);
    },
  };
}
