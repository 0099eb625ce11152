// The processes that clients have started in containers. Each has an id of the client's choice, so that a request that is sent again
// starts nothing twice.
import { type Agent, AgentError, type AgentProcess, type KeptProcess } from "@lydian/containers";
import { LydianError } from "@lydian/protocol";
import type { Deadlines } from "../calls/deadlines.ts";
import { Exec, type ExecOptions } from "./exec.ts";
import type { ExecHome } from "./exec-home.ts";
import { FILE_TOOL, startFileTool } from "./file-tool.ts";
import { type ProcessNote, readEnds, readNote } from "./kept-process.ts";
import { endedProcess, resumeProcess, startProcess } from "./programs.ts";

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

/** Of the names of processes that clients start. */
const PREFIX = "exec-";
const NOTHING = { stdout: "none", stderr: "none" } as const;

/** A process of a home that no client has started. */
export interface FoundProcess {
  readonly kept: KeptProcess;
  readonly note: ProcessNote;
}

interface Known {
  readonly started: Promise<Exec>;
  exec: Exec | undefined;
  readonly process: { agent: AgentProcess | undefined };
}

export class Execs {
  readonly #options: ExecsOptions;
  /** By task, then by id, in the order of their start. Requests name the task, also for processes in its further containers. */
  readonly #byTask = new Map<string, Map<string, Known>>();
  /** Of tasks whose processes are being gone on with. */
  readonly #recovering = new Map<string, Promise<void>>();

  constructor(options: ExecsOptions) {
    this.#options = options;
  }

  /** Resolves when it runs. Throws `invalid_argument` when it cannot be started, with the reason of the kernel. */
  async start(home: ExecHome, request: ExecRequest): Promise<Exec> {
    if (!ID.test(request.id))
      throw invalid(`${JSON.stringify(request.id.slice(0, 150))} is not an id of a process: up to 128 letters, digits, or any of "_.-".`);
    if (request.argv.length === 0) throw invalid("A process needs a command: command_args is empty.");
    await this.#recovering.get(home.taskId);
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
    await this.#recovering.get(taskId);
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
    const { now } = this.#options;
    const note = { name: `${PREFIX}${id}`, keepsStdout, stderr, deadlineAt: timeoutMs === 0 ? 0 : now() + timeoutMs };
    const agent = await home.agent().catch((error: unknown) => {
      throw request.argv[0] === FILE_TOOL ? notThere(error) : error;
    });
    const use = home.use();
    try {
      const exec = await this.#run(agent, home, request, note, process);
      void exec.done.finally(() => use[Symbol.dispose]());
      return exec;
    } catch (error) {
      use[Symbol.dispose]();
      throw startError(error, request, home);
    }
  }

  async #run(
    agent: Agent,
    home: ExecHome,
    { argv, env, workdir = home.workdir, pty }: ExecRequest,
    note: Omit<ProcessNote, "isTerminal">,
    process: Known["process"],
  ): Promise<Exec> {
    const { deadlines } = this.#options;
    const { dir, outlives = false } = home;
    if (argv[0] === FILE_TOOL) {
      const { name: id, ...options } = note;
      return new Exec(
        startFileTool(agent.files, argv, () => home.use()),
        { id, dir, deadlines, ...options },
      );
    }
    const spec = { argv, env: { ...home.env, ...env }, workdir, pty };
    const started = await startProcess(agent, spec, note, { dir, deadlines, outlives, onKill: () => home.use()[Symbol.dispose]() });
    process.agent = started.process;
    return started.exec;
  }

  /**
   * Goes on with the processes of a home that an earlier server has started; requests for them wait for it. Resolves to what runs in the
   * home and is none of them, by name.
   */
  recover(home: ExecHome, agent: Promise<Agent>): Promise<ReadonlyMap<string, FoundProcess>> {
    const found = this.#recover(home, agent);
    const recovered = found.then(
      () => {},
      () => {},
    );
    this.#recovering.set(home.taskId, recovered);
    void recovered.then(() => this.#recovering.delete(home.taskId));
    return found;
  }

  async #recover(home: ExecHome, connected: Promise<Agent>): Promise<ReadonlyMap<string, FoundProcess>> {
    const agent = await connected;
    const context = { dir: home.dir, deadlines: this.#options.deadlines, onKill: () => home.use()[Symbol.dispose]() };
    const ofTask = this.#of(home.taskId);
    const others = new Map<string, FoundProcess>();
    const ends = await readEnds(home.dir);
    for (const [name, end] of ends) {
      if (!name.startsWith(PREFIX)) continue;
      const exec = await endedProcess(name, end, context);
      ofTask.set(name.slice(PREFIX.length), { started: Promise.resolve(exec), exec, process: { agent: undefined } });
    }
    for (const kept of await agent.kept()) {
      const note = readNote(kept.note);
      // Its end was written down, and not told any more.
      if (note === undefined || ends.has(note.name)) (await agent.attach(kept.key, NOTHING, false)).process.close();
      else if (!note.name.startsWith(PREFIX)) others.set(note.name, { kept, note });
      else {
        const { exec, process } = await resumeProcess(agent, kept, note, context);
        const use = home.use();
        void exec.done.finally(() => use[Symbol.dispose]());
        ofTask.set(note.name.slice(PREFIX.length), { started: Promise.resolve(exec), exec, process: { agent: process } });
      }
    }
    return others;
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

function startError(error: unknown, { argv, workdir }: ExecRequest, home: ExecHome): unknown {
  if (!(error instanceof AgentError)) return error;
  // Nothing is known of the process then: the container is ending, or this server. Who asks again will hear.
  if (error.step === "agent")
    return new LydianError("unavailable", `The container ${home.taskId} does not answer: ${error.message}`, { cause: error });
  const command = JSON.stringify((argv[0] ?? "").slice(0, 200));
  const directory = JSON.stringify((workdir ?? home.workdir).slice(0, 200));
  return invalid(`${command} could not be started in ${directory} of ${home.taskId}: ${error.message}`, error);
}

/** Of a sandbox that is over: clients that ask for its files know that by "not found" alone. */
const notThere = (cause: unknown) =>
  LydianError.is(cause) && cause.code === "failed_precondition" ? new LydianError("not_found", cause.message, { cause }) : cause;

const invalid = (message: string, cause?: unknown) => new LydianError("invalid_argument", message, cause === undefined ? {} : { cause });
