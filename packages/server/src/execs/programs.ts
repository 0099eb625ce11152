// Processes of an agent as what an exec runs: begun now, gone on with after a restart of the server, or over since.
import type { Agent, AgentProcess, KeptProcess } from "@lydian/containers";
import { Exec, type ExecOptions, type Program } from "./exec.ts";
import { type ProcessEnd, type ProcessNote, writeNote } from "./kept-process.ts";
import { Spool } from "./spool.ts";

export interface ProgramSpec {
  readonly argv: readonly string[];
  /** The whole environment. */
  readonly env: Readonly<Record<string, string>>;
  readonly workdir: string;
  readonly pty: { readonly rows: number; readonly columns: number } | undefined;
}

export interface ExecContext extends Pick<ExecOptions, "dir" | "deadlines" | "onOutput"> {
  /** Before it is killed: the frozen do not die. */
  readonly onKill?: () => void;
}

export interface RunningExec {
  readonly exec: Exec;
  readonly process: AgentProcess;
}

/** Rejects with `AgentError`. `outlives`: it goes on without the server. */
export async function startProcess(
  agent: Agent,
  { pty, ...spec }: ProgramSpec,
  note: Omit<ProcessNote, "isTerminal">,
  { outlives, onKill, ...context }: ExecContext & { readonly outlives: boolean },
): Promise<RunningExec> {
  const { name, keepsStdout, stderr, deadlineAt } = note;
  const process = await agent.exec({
    ...spec,
    ...(pty !== undefined && { pty }),
    ...(outlives && { keep: writeNote({ ...note, isTerminal: pty !== undefined }) }),
    ...(stderr === "stdout" && pty === undefined && { stderr }),
  });
  const exec = new Exec(programOf(process, outlives, onKill), { id: name, keepsStdout, stderr, deadlineAt, ...context });
  return { exec, process };
}

/** Goes on with one that an earlier server has started, where its files end. */
export async function resumeProcess(
  agent: Agent,
  { key }: KeptProcess,
  note: ProcessNote,
  { onKill, ...context }: ExecContext,
): Promise<RunningExec> {
  const { name, keepsStdout, stderr, deadlineAt, isTerminal } = note;
  const [out, err] = await spoolsOf(name, context.dir, { ended: false });
  const taken = { stdout: keepsStdout ? out.length : ("none" as const), stderr: stderr === "keep" ? err.length : ("none" as const) };
  const { process, state } = await agent.attach(key, taken, isTerminal);
  const exec = new Exec(programOf(process, true, onKill), {
    id: name,
    keepsStdout,
    stderr,
    // One that has ended has ended in time.
    deadlineAt: state.ended ? 0 : deadlineAt,
    before: { stdout: out, stderr: err, input: { written: state.inputReceived, closed: state.inputOver }, timedOut: false },
    ...context,
  });
  return { exec, process };
}

/** One that had ended before the server was restarted. */
export async function endedProcess(name: string, end: ProcessEnd, { onKill: _, ...context }: ExecContext): Promise<Exec> {
  const [stdout, stderr] = await spoolsOf(name, context.dir, { ended: true });
  const nothing: Program = {
    output: (async function* () {})(),
    exited: Promise.resolve(end.exit),
    write: () => Promise.reject(new Error("The process has ended.")),
    endInput: async () => {},
    kill() {},
    kept: { taken() {}, release() {} },
  };
  const before = { stdout, stderr, input: { written: end.inputWritten, closed: true }, timedOut: end.timedOut };
  const exec = new Exec(nothing, { id: name, keepsStdout: true, stderr: "keep", deadlineAt: 0, before, ...context });
  await exec.done;
  return exec;
}

function spoolsOf(name: string, dir: string, state: { readonly ended: boolean }): Promise<[Spool, Spool]> {
  return Promise.all([Spool.restore({ dir, name: `${name}.out` }, state), Spool.restore({ dir, name: `${name}.err` }, state)]);
}

function programOf(process: AgentProcess, outlives: boolean, onKill: (() => void) | undefined): Program {
  return {
    output: process.output,
    exited: process.exited,
    write: (data) => process.write(data),
    endInput: () => process.endInput(),
    kill: () => {
      onKill?.();
      process.signal("SIGKILL");
    },
    ...(outlives && { kept: { taken: (taken) => process.taken(taken), release: () => process.close() } }),
  };
}
