// Lines for pipes, logs and `--quiet`: what containers print goes to stdout and stderr as it is, what Lydian says goes to
// stderr with a prefix. Progress is a line every few seconds, and only when it has moved.
import type { RunEvent } from "../../run/start-app.ts";
import type { Display, DisplayOptions } from "./display.ts";
import { describeStages, type FunctionProgress, Progress, totalMs } from "./progress.ts";
import { formatRate } from "./status-lines.ts";
import { formatMs } from "./style.ts";
import { showValue } from "./value.ts";

const PREFIX = "lydian: ";
const PROGRESS_EVERY_MS = 5000;

export class PlainDisplay implements Display {
  readonly #options: DisplayOptions;
  readonly #progress = new Progress();
  readonly #shown = new Map<string, { at: number; text: string }>();

  constructor(options: DisplayOptions) {
    this.#options = options;
  }

  event(event: RunEvent): void {
    const { streams, now } = this.#options;
    this.#progress.apply(event, now());
    if (event.type === "log") {
      (event.fd === 1 ? streams.stdout : streams.stderr).write(event.text);
      return;
    }
    if (event.type === "image-log") this.#imageLog(event.text);
    if (event.type === "image-ready" && !event.cached) this.status(`image ${event.imageId} is ready after ${formatMs(event.ms)}`);
    if (event.type === "app-created") this.status(`app ${event.appId}`);
    if (event.type !== "pools") return;
    for (const started of event.started) {
      const name = this.#progress.functionName(started.functionId);
      this.status(`container ${started.taskId} of ${name} is ready after ${formatMs(totalMs(started))} (${describeStages(started)})`);
    }
    for (const it of this.#progress.functions(now())) this.#functionProgress(it);
  }

  status(text: string): void {
    if (!this.#options.quiet) this.#options.streams.stderr.write(`${PREFIX}${text}\n`);
  }

  result(value: unknown): void {
    if (value !== undefined) this.#options.streams.stdout.write(`${showValue(value, false)}\n`);
  }

  close(): void {}

  #imageLog(text: string): void {
    for (const line of text.split("\n")) if (line.trim() !== "") this.status(`image: ${line.trimEnd()}`);
  }

  #functionProgress(it: FunctionProgress): void {
    const text = describe(it);
    const now = this.#options.now();
    const before = this.#shown.get(it.functionId);
    if (!before) {
      // Nothing is said in the first seconds: most runs are over by then.
      this.#shown.set(it.functionId, { at: now, text: "" });
      return;
    }
    const total = it.waiting + it.running;
    if (total === 0 || text === before.text || now - before.at < PROGRESS_EVERY_MS) return;
    this.#shown.set(it.functionId, { at: now, text });
    this.status(text);
  }
}

function describe(it: FunctionProgress): string {
  const parts = [`${it.finished} of ${it.finished + it.running + it.waiting} done`, `${it.running} running`];
  if (it.ratePerSecond >= 0.1) parts.push(`${formatRate(it.ratePerSecond)}/s`);
  parts.push(`${it.ready} containers${it.starting > 0 ? ` (${it.starting} starting)` : ""}`);
  return `${it.name}: ${parts.join(", ")}${it.waitingReason && it.waiting > 0 ? `; waiting: ${it.waitingReason}` : ""}`;
}
