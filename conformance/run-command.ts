import { type ChildProcess, spawn } from "node:child_process";

export interface CommandOptions {
  readonly cwd?: string;
  readonly env: NodeJS.ProcessEnv;
}

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Both, in the order in which they came. */
  readonly output: string;
}

/** A program that runs. Its output is kept, and may be waited for. */
export class RunningCommand {
  readonly process: ChildProcess;
  readonly ended: Promise<Ended>;
  readonly #waiting = new Set<() => void>();
  #output = "";
  #isOver = false;

  constructor(command: string, args: readonly string[], { cwd, env }: CommandOptions) {
    this.process = spawn(command, args, { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
    const { stdout, stderr } = this.process;
    const texts = { stdout: "", stderr: "" };
    for (const [name, stream] of [["stdout", stdout] as const, ["stderr", stderr] as const]) {
      stream?.setEncoding("utf8").on("data", (text: string) => {
        texts[name] += text;
        this.#output += text;
        this.#changed();
      });
    }
    this.ended = new Promise((resolve, reject) => {
      this.process.once("error", reject);
      this.process.once("close", (code) => {
        this.#isOver = true;
        resolve({ code, ...texts, output: this.#output });
        this.#changed();
      });
    });
  }

  /** Resolves when it has printed this, to what matched; throws, with all that it has printed, when it ends before. */
  async printed(text: string | RegExp): Promise<RegExpExecArray> {
    const pattern = text instanceof RegExp ? text : literal(text);
    for (;;) {
      const match = pattern.exec(this.#output);
      if (match !== null) return match;
      if (this.#isOver) throw new Error(`It has ended without printing ${String(text)}:\n${this.#output}`);
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  #changed(): void {
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }
}

export function runCommand(command: string, args: readonly string[], options: CommandOptions): Promise<Ended> {
  return new RunningCommand(command, args, options).ended;
}

/** Lines of the form `name = result`, which the programs print. */
export function resultsOf({ stdout }: Ended): Record<string, string> {
  const pairs = stdout.split("\n").flatMap((line) => {
    const at = line.indexOf(" = ");
    return at < 0 || line.startsWith(" ") ? [] : [[line.slice(0, at), line.slice(at + 3)] as const];
  });
  return Object.fromEntries(pairs);
}

const literal = (text: string) => new RegExp(text.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&"));
