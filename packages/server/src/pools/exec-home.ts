// Where the processes of clients run in a function's container. Our agent is let in when the first one is asked for: until then there is
// nothing of it, so that it costs no start anything.
import { copyFile, mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { type Agent, agentProgram, type Container, type EnteredProcess, listenForAgent } from "@lydian/containers";
import { LydianError } from "@lydian/protocol";
import type { ExecHome } from "../execs/exec-home.ts";
import type { PoolContainer } from "./container.ts";
import { RUN_DIR } from "./launch.ts";

export interface ContainerHomeOptions {
  readonly container: PoolContainer;
  readonly workspaceId: string;
  /** Made with the first process. */
  readonly dir: string;
  /** What the container learned with its function. */
  readonly env: Readonly<Record<string, string>>;
  /** A process of a client has begun or ended in it. */
  readonly onUse: () => void;
}

/** In the directory that the container sees as /run/lydian. The socket's path is no longer than that of the container's own one. */
const PROGRAM = "agent";
const SOCKET = "cmd.sock";
const CONNECT_MS = 30_000;
/** A container is kept for its processes no longer than this. */
const LONGEST_MS = 86_400_000;

export class ContainerHome implements ExecHome {
  readonly dir: string;
  readonly workspaceId: string;
  readonly longestMs = LONGEST_MS;
  readonly #options: ContainerHomeOptions;
  #agent: Promise<Agent> | undefined;
  #ended = false;

  constructor(options: ContainerHomeOptions) {
    this.#options = options;
    this.dir = options.dir;
    this.workspaceId = options.workspaceId;
  }

  get taskId(): string {
    return this.#options.container.taskId;
  }

  get env(): Readonly<Record<string, string>> {
    return { ...this.#options.container.env, ...this.#options.env };
  }

  get workdir(): string {
    return this.#options.container.workdir;
  }

  agent(): Promise<Agent> {
    const { running } = this.#options.container;
    if (this.#ended) return Promise.reject(new LydianError("failed_precondition", `The container ${this.taskId} has ended.`));
    if (running === undefined)
      return Promise.reject(new LydianError("unavailable", `The container ${this.taskId} is still being started.`));
    if (this.#agent === undefined) {
      const starting = this.#enter(running);
      this.#agent = starting;
      const forget = () => {
        if (this.#agent === starting) this.#agent = undefined;
      };
      starting.then(({ gone }) => gone.then(forget), forget);
    }
    return this.#agent;
  }

  use(): Disposable {
    const { container, onUse } = this.#options;
    container.uses += 1;
    onUse();
    let used = true;
    return {
      [Symbol.dispose]: () => {
        if (!used) return;
        used = false;
        container.uses -= 1;
        onUse();
      },
    };
  }

  /** The container is gone: nothing more is started. What was printed stays. */
  end(): void {
    this.#ended = true;
  }

  async #enter(running: Container): Promise<Agent> {
    const { runDir } = this.#options.container;
    await mkdir(this.dir, { recursive: true, mode: 0o700 });
    await placeProgram(join(runDir, PROGRAM));
    const listener = await listenForAgent({ path: join(runDir, SOCKET) });
    let entered: EnteredProcess | undefined;
    const close = async () => {
      await listener[Symbol.asyncDispose]();
      await entered?.close();
    };
    try {
      entered = await running.enter({ command: [`${RUN_DIR}/${PROGRAM}`, `${RUN_DIR}/${SOCKET}`], env: {}, workdir: "/" });
      const agent = await Promise.race([listener.connected(CONNECT_MS), died(entered)]);
      void drain(entered.output);
      void agent.gone.then(close);
      return agent;
    } catch (cause) {
      await close();
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new LydianError("failed_precondition", `Nothing can be run in the container ${this.taskId}: ${reason}`, { cause });
    }
  }
}

/** Whole or not at all, and not over one that runs. */
async function placeProgram(path: string): Promise<void> {
  const draft = `${path}.partial`;
  await copyFile(agentProgram(), draft);
  await rename(draft, path).finally(() => rm(draft, { force: true }));
}

async function died({ output, exited }: EnteredProcess): Promise<never> {
  const exit = await exited;
  let said = "";
  for await (const { data } of output) if (said.length < 2_000) said += Buffer.from(data).toString();
  throw new Error(`our program in it ended (${exit.signal ?? `code ${exit.code}`}). ${said}`.trim());
}

async function drain(output: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of output);
}
