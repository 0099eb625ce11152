// The processes that clients have started in containers. Each has an id of the client's choice, so that a request that is sent again
// starts nothing twice.
import { AgentError, type AgentProcess } from "@lydian/containers";
import { LydianError } from "@lydian/protocol";
import type { Deadlines } from "../calls/deadlines.ts";
import { Exec, type ExecOptions, type Program } from "./exec.ts";
import type { ExecHome } from "./exec-home.ts";
import { FILE_TOOL, startFileTool } from "./file-tool.ts";

export interface ExecRequest {
  readonly id: string;
  readonly argv: readonly string[];
  /** Over those of the container. */
  readonly env: Readonly<Record<string, string>>;
  /** Undefined: the container's. */
  readonly workdir: string | undefined;
  readonly pty: { readonly rows: number; readonly columns: number } | undefined;
  readonly keepsStdout: boolean;
  readonly stderr: ExecOptions["stderr"];
  /** 0: none. */
  readonly timeoutMs: number;
}

export interface ExecsOptions {
  readonly deadlines: Deadlines;
  readonly now: () => number;
}

const ID = /^[A-Za-z0-9_.-]{1,128}$/;
/** Of one task. Beyond, those that ended first are forgotten. */
const MAX_KNOWN = 2_000;
/** Of one task. */
const MAX_RUNNING = 1_000;

interface Known {
  readonly started: Promise<Exec>;
  exec: Exec | undefined;
  readonly process: { agent: AgentProcess | undefined };
}

export class Execs {
  readonly #options: ExecsOptions;
  /** By task, then by id, in the order of their start. Requests name the task, also for processes in its further containers. */
  readonly #byTask = new Map<string, Map<string, Known>>();

  constructor(options: ExecsOptions) {
    this.#options = options;
  }

  /** Resolves when it runs. Throws `invalid_argument` when it cannot be started, with the reason of the kernel. */
  async start(home: ExecHome, request: ExecRequest): Promise<Exec> {
    if (!ID.test(request.id))
      throw invalid(`${JSON.stringify(request.id.slice(0, 150))} is not an id of a process: up to 128 letters, digits, or any of "_.-".`);
    if (request.argv.length === 0) throw invalid("A process needs a command: command_args is empty.");
    const ofTask = this.#of(home.taskId);
    const before = ofTask.get(request.id);
    if (before !== undefined) return before.started;
    const running = [...ofTask.values()].filter(({ exec }) => exec?.exit === undefined).length;
    if (running >= MAX_RUNNING)
      throw new LydianError(
        "resource_exhausted",
        `${running} processes that clients have started run in ${home.taskId}, the most at once.`,
      );
    const process: Known["process"] = { agent: undefined };
    const started = this.#start(home, request, process);
    const known: Known = { started, exec: undefined, process };
    ofTask.set(request.id, known);
    try {
      known.exec = await started;
    } catch (error) {
      ofTask.delete(request.id);
      throw error;
    }
    this.#forgetOldest(ofTask);
    return known.exec;
  }

  /** Throws `not_found`. */
  async get({ taskId }: ExecHome, execId: string): Promise<Exec> {
    const known = this.#byTask.get(taskId)?.get(execId);
    if (known === undefined)
      throw new LydianError("not_found", `There is no process ${JSON.stringify(execId.slice(0, 150))} in ${taskId}.`);
    return known.started;
  }

  /** Gives the terminal of a process another size. No effect on one without. */
  async resize(home: ExecHome, execId: string, rows: number, columns: number): Promise<void> {
    await this.get(home, execId);
    this.#byTask.get(home.taskId)?.get(execId)?.process.agent?.resize(rows, columns);
  }

  /** To a process and all of its group. A tool of the server's, which is no process, is ended by any. No effect on one that has ended. */
  async signal(home: ExecHome, execId: string, signal: NodeJS.Signals): Promise<void> {
    const exec = await this.get(home, execId);
    if (exec.exit !== undefined) return;
    // The frozen heed no signals.
    using _use = home.use();
    const agent = this.#byTask.get(home.taskId)?.get(execId)?.process.agent;
    if (agent) agent.signal(signal);
    else exec.kill();
  }

  /** Kills what still runs, and drops all that was printed. */
  async forget(taskId: string): Promise<void> {
    const known = [...(this.#byTask.get(taskId)?.values() ?? [])];
    this.#byTask.delete(taskId);
    await Promise.all(known.map(({ started }) => started.then((exec) => exec.remove()).catch(() => undefined)));
  }

  async #start(home: ExecHome, request: ExecRequest, process: Known["process"]): Promise<Exec> {
    const { id, keepsStdout, stderr } = request;
    const timeoutMs = request.timeoutMs || (home.longestMs ?? 0);
    const agent = await home.agent().catch((error: unknown) => {
      throw request.argv[0] === FILE_TOOL ? notThere(error) : error;
    });
    const use = home.use();
    try {
      const program = await startProgram(agent, home, request, process);
      const exec = new Exec(program, { id: `exec-${id}`, dir: home.dir, keepsStdout, stderr, timeoutMs, ...this.#options });
      void exec.done.finally(() => use[Symbol.dispose]());
      return exec;
    } catch (error) {
      use[Symbol.dispose]();
      throw startError(error, request, home);
    }
  }

  #of(taskId: string): Map<string, Known> {
    let known = this.#byTask.get(taskId);
    if (known === undefined) {
      known = new Map();
      this.#byTask.set(taskId, known);
    }
    return known;
  }

  #forgetOldest(ofTask: Map<string, Known>): void {
    if (ofTask.size <= MAX_KNOWN) return;
    for (const [id, { exec }] of ofTask) {
      if (exec?.exit === undefined) continue;
      ofTask.delete(id);
      void exec.remove();
      return;
    }
  }
}

async function startProgram(
  agent: Awaited<ReturnType<ExecHome["agent"]>>,
  home: ExecHome,
  request: ExecRequest,
  process: Known["process"],
): Promise<Program> {
  const { argv, env, workdir = home.workdir, pty } = request;
  if (argv[0] === FILE_TOOL) return startFileTool(agent.files, argv, () => home.use());
  process.agent = await agent.exec({ argv, env: { ...home.env, ...env }, workdir, ...(pty !== undefined && { pty }) });
  const program = programOf(process.agent);
  return {
    ...program,
    kill: () => {
      // The frozen do not die.
      home.use()[Symbol.dispose]();
      program.kill();
    },
  };
}

/** A process of the agent's as what an exec runs. */
export function programOf(process: AgentProcess): Program {
  return {
    output: process.output,
    exited: process.exited,
    write: (data) => process.write(data),
    endInput: () => process.endInput(),
    kill: () => process.signal("SIGKILL"),
  };
}

function startError(error: unknown, { argv, workdir }: ExecRequest, home: ExecHome): unknown {
  if (!(error instanceof AgentError)) return error;
  const command = JSON.stringify((argv[0] ?? "").slice(0, 200));
  const directory = JSON.stringify((workdir ?? home.workdir).slice(0, 200));
  return invalid(`${command} could not be started in ${directory} of ${home.taskId}: ${error.message}`, error);
}

/** Of a sandbox that is over: clients that ask for its files know that by "not found" alone. */
const notThere = (cause: unknown) =>
  LydianError.is(cause) && cause.code === "failed_precondition" ? new LydianError("not_found", cause.message, { cause }) : cause;

const invalid = (message: string, cause?: unknown) => new LydianError("invalid_argument", message, cause === undefined ? {} : { cause });
