// The display of a terminal: a live region under everything that the program and its containers print.
//
// The local entrypoint prints with console.log, which knows nothing of the region: while it is shown, writes to the
// process's own streams are led through it.
import type { RunEvent } from "../../run/start-app.ts";
import type { Display, DisplayOptions, Streams } from "./display.ts";
import { LiveRegion } from "./live-region.ts";
import { describeStages, Progress, totalMs } from "./progress.ts";
import { statusLines } from "./status-lines.ts";
import { formatMs, type Style, styleFor } from "./style.ts";
import { showValue } from "./value.ts";

const REDRAW_MS = 100;

export class LiveDisplay implements Display {
  readonly #options: DisplayOptions;
  readonly #progress = new Progress();
  readonly #region: LiveRegion;
  readonly #style: Style;
  readonly #timer: NodeJS.Timeout;
  readonly #write: { readonly stdout: (text: string) => void; readonly stderr: (text: string) => void };
  readonly #restore: () => void;
  #phase = "";

  constructor(options: DisplayOptions) {
    this.#options = options;
    const { stdout, stderr } = options.streams;
    this.#write = { stdout: stdout.write.bind(stdout), stderr: stderr.write.bind(stderr) };
    const region = {
      write: this.#write.stderr,
      get columns() {
        return stderr.columns ?? 80;
      },
    };
    this.#region = new LiveRegion(region);
    this.#style = styleFor(stderr);
    this.#restore = this.#leadThrough(options.streams);
    this.#timer = setInterval(() => this.redraw(), REDRAW_MS).unref();
  }

  event(event: RunEvent): void {
    this.#progress.apply(event, this.#options.now());
    if (event.type === "log") {
      this.#print(event.fd === 1 ? "stdout" : "stderr", event.text);
    } else if (event.type === "image-ready" && !event.cached) {
      this.#note(`image ready after ${formatMs(event.ms)}`);
    } else if (event.type === "published") {
      this.#phase = "";
    } else if (event.type === "pools") {
      for (const started of event.started) {
        const name = this.#progress.functionName(started.functionId);
        this.#note(`${name}: container ready after ${formatMs(totalMs(started))} (${describeStages(started)})`);
      }
    }
  }

  status(text: string): void {
    this.#phase = text;
    this.redraw();
  }

  result(value: unknown): void {
    if (value !== undefined) this.#print("stdout", `${showValue(value, this.#options.streams.stdout.isTTY === true)}\n`);
  }

  redraw(): void {
    const now = this.#options.now();
    const lines = statusLines({ progress: this.#progress, now, columns: this.#region.columns, style: this.#style });
    const phase = lines.length === 0 && this.#phase !== "" ? [this.#style.dim(`${this.#phase} …`)] : [];
    this.#region.draw([...phase, ...lines]);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#region.clear();
    this.#restore();
  }

  #note(text: string): void {
    this.#print("stderr", `${this.#style.green("✓")} ${this.#style.dim(text)}\n`);
  }

  #print(stream: "stdout" | "stderr", text: string): void {
    // Text for a pipe does not move the terminal's cursor.
    if (stream === "stdout" && !this.#options.streams.stdout.isTTY) this.#write.stdout(text);
    else this.#region.print(text, this.#write[stream]);
  }

  #leadThrough(streams: Streams): () => void {
    const undo = (["stdout", "stderr"] as const).map((name) => {
      const stream = streams[name];
      const original = stream.write;
      stream.write = (chunk: string | Uint8Array, ...rest: unknown[]) => {
        this.#print(name, typeof chunk === "string" ? chunk : Buffer.from(chunk).toString());
        const callback = rest.find((item) => typeof item === "function") as (() => void) | undefined;
        if (callback) process.nextTick(callback);
        return true;
      };
      return () => {
        stream.write = original;
      };
    });
    return () => {
      for (const step of undo.reverse()) step();
    };
  }
}
