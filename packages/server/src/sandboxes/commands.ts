// The command of a sandbox: a process like others, whose output is also the app's log, and whose end is the sandbox's.
import type { Agent, OutputChunk } from "@lydian/containers";
import type { Deadlines } from "../calls/deadlines.ts";
import type { Exec } from "../execs/exec.ts";
import type { FoundProcess } from "../execs/execs.ts";
import { readEnds } from "../execs/kept-process.ts";
import { endedProcess, resumeProcess, startProcess } from "../execs/programs.ts";
import type { Logs } from "../logs/logs.ts";
import { OutputLines } from "../pools/output-lines.ts";
import type { Sandbox } from "./sandbox.ts";

export interface CommandsOptions {
  readonly logs: Pick<Logs, "append" | "flush">;
  readonly deadlines: Deadlines;
  readonly now: () => number;
}

/** Its name among the processes of the sandbox. */
export const COMMAND = "command";

export class Commands {
  readonly #options: CommandsOptions;

  constructor(options: CommandsOptions) {
    this.#options = options;
  }

  /** Undefined: the sandbox has none. */
  async start(sandbox: Sandbox, agent: Agent): Promise<Exec | undefined> {
    const { command: argv, pty } = sandbox.resolved;
    if (argv.length === 0) return undefined;
    const { workdir, outlives } = sandbox;
    const { onEnd, ...context } = this.#context(sandbox);
    const spec = { argv, env: { ...pty?.env, ...sandbox.env }, workdir, pty: pty && { rows: pty.rows, columns: pty.columns } };
    const note = { name: COMMAND, keepsStdout: true, stderr: "keep" as const, deadlineAt: 0 };
    const { exec } = await startProcess(agent, spec, note, { ...context, outlives });
    void exec.done.then(onEnd);
    return exec;
  }

  /** Goes on with it after a restart of the server, or starts it if that had not happened. What it printed last may be in the log twice. */
  async resume(sandbox: Sandbox, agent: Agent, found: FoundProcess | undefined): Promise<Exec | undefined> {
    if (sandbox.resolved.command.length === 0) return undefined;
    const { onEnd, ...context } = this.#context(sandbox);
    const end = (await readEnds(sandbox.dir)).get(COMMAND);
    if (end !== undefined) return endedProcess(COMMAND, end, context);
    if (found === undefined) return this.start(sandbox, agent);
    const { exec } = await resumeProcess(agent, found.kept, found.note, context);
    void exec.done.then(onEnd);
    return exec;
  }

  #context(sandbox: Sandbox) {
    const { logs, deadlines, now } = this.#options;
    const lines = new OutputLines();
    const { appId, taskId } = sandbox.record;
    const print = (printed: ReturnType<OutputLines["push"]>) => {
      for (const { fd, text } of printed) logs.append({ appId, taskId, fd, text, at: now() });
    };
    return {
      dir: sandbox.dir,
      deadlines,
      onKill: () => sandbox.use()[Symbol.dispose](),
      onOutput: (chunk: OutputChunk) => print(lines.push(chunk)),
      onEnd: () => print(lines.end()),
    };
  }
}
