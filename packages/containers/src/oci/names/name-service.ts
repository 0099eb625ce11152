// The host's side of the containers' name server (main.ts): one process for all of them, started when the first container needs it.

import type { LaunchedProcess, Launcher } from "../../launcher/launcher.ts";
import { resolveProgram } from "../../launcher/program.ts";
import { within } from "../../within.ts";
import type { Order } from "./main.ts";

const ANSWER_TIMEOUT_MS = 15_000;

export interface NameServiceOptions {
  readonly launcher: Launcher;
  readonly stateDir: string;
  readonly table: string;
  /** The machine's address on the containers' links. */
  readonly gateway: string;
  /** Who is asked for allowed names, `address` or `address:port`. None: the machine's own. */
  readonly resolvers: readonly string[];
}

export class NameService {
  readonly port: number;
  /** Resolves when the process has ended. */
  readonly ended: Promise<unknown>;
  readonly #process: LaunchedProcess;
  readonly #waiting = new Map<number, () => void>();
  #next = 1;

  /** The gateway's address must exist: at least one container's link does. */
  static async start(options: NameServiceOptions): Promise<NameService> {
    const { launcher, stateDir, table, gateway, resolvers } = options;
    const program = await resolveProgram("names", stateDir);
    const launched = await launcher.spawn({
      argv: [process.execPath, "--max-old-space-size=64", program, gateway, table, ...resolvers],
      env: { PATH: process.env.PATH ?? "/usr/sbin:/usr/bin:/sbin:/bin" },
      cwd: stateDir,
    });
    let first: (line: string) => void = () => {};
    const port = new Promise<string>((resolve) => {
      first = resolve;
    });
    let service: NameService | undefined;
    const complaints = readLines(launched, (line) => {
      if (service === undefined) first(line);
      else service.#settle(line);
    });
    const line = await within(Promise.race([port, complaints]), ANSWER_TIMEOUT_MS);
    const found = /^\{"port":(\d+)\}$/.exec(line ?? "")?.[1];
    if (found === undefined) {
      launched.close();
      throw new Error(`The name server of containers could not be started: ${line?.trim() || "no message"}`);
    }
    service = new NameService(launched, Number(found));
    return service;
  }

  private constructor(launched: LaunchedProcess, port: number) {
    this.#process = launched;
    this.port = port;
    this.ended = launched.exited.then(() => {
      for (const settle of this.#waiting.values()) settle();
    });
  }

  /** Resolves when queries from `address` are answered by these domains; none: not at all. */
  async set(order: Omit<Order, "id">): Promise<void> {
    const id = this.#next++;
    const done = new Promise<true>((resolve) => this.#waiting.set(id, () => resolve(true)));
    this.#process.write(`${JSON.stringify({ ...order, id } satisfies Order)}\n`);
    const answered = await within(done, ANSWER_TIMEOUT_MS);
    this.#waiting.delete(id);
    if (answered === undefined) throw new Error(`The name server of containers did not answer within ${ANSWER_TIMEOUT_MS} ms.`);
  }

  close(): void {
    this.#process.close();
  }

  #settle(line: string): void {
    const { done } = JSON.parse(line) as { done: number };
    this.#waiting.get(done)?.();
  }
}

/** Calls `onLine` for each line of stdout; resolves at the end with what was said on stderr. */
async function readLines(launched: LaunchedProcess, onLine: (line: string) => void): Promise<string> {
  const MAX_COMPLAINT = 2_000;
  let rest = "";
  let complaint = "";
  for await (const chunk of launched.output) {
    const text = Buffer.from(chunk.data).toString();
    if (chunk.stream === "stderr") {
      complaint = (complaint + text).slice(-MAX_COMPLAINT);
      continue;
    }
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) onLine(line);
  }
  return complaint;
}
