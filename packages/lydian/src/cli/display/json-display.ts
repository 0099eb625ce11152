// `--json`: one event a line on stdout, for programs. What the local entrypoint prints itself stays as it is, on stderr.
import type { RunEvent } from "../../run/start-app.ts";
import type { Display, DisplayOptions } from "./display.ts";
import { toJson } from "./value.ts";

export class JsonDisplay implements Display {
  readonly #write: (text: string) => void;
  readonly #restore: () => void;

  constructor(options: DisplayOptions) {
    const { stdout, stderr } = options.streams;
    const original = stdout.write;
    this.#write = original.bind(stdout);
    stdout.write = stderr.write.bind(stderr);
    this.#restore = () => {
      stdout.write = original;
    };
  }

  event(event: RunEvent): void {
    this.#emit(event);
  }

  status(text: string): void {
    this.#emit({ type: "status", text });
  }

  result(value: unknown): void {
    this.#emit({ type: "result", value: value ?? null });
  }

  close(): void {
    this.#restore();
  }

  #emit(event: object): void {
    this.#write(`${toJson({ at: Date.now(), ...event })}\n`);
  }
}
