// The real agent as a plain process of this machine, for tests: no container, the same program.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Agent, AgentProcess } from "./agent.ts";
import { type AgentListener, type AgentListenerOptions, listenForAgent } from "./listener.ts";
import { agentProgram } from "./program.ts";

export interface TestAgent extends AsyncDisposable {
  readonly agent: Agent;
  readonly listener: AgentListener;
  /** A directory of the test's own. */
  readonly dir: string;
  readonly socket: string;
  /** Of the agent. */
  readonly pid: number;
  /** Resolves when the agent's process has ended. */
  readonly ended: Promise<unknown>;
}

export async function startTestAgent(options: Partial<AgentListenerOptions> = {}): Promise<TestAgent> {
  const dir = await mkdtemp(join(tmpdir(), "ly-agent-"));
  const socket = options.path ?? join(dir, "agent.sock");
  const listener = await listenForAgent({ ...options, path: socket });
  const child = spawn(agentProgram(), [socket], { stdio: ["ignore", "inherit", "inherit"], detached: true });
  const ended = once(child, "exit");
  const agent = await listener.connected(10_000);
  return {
    agent,
    listener,
    dir,
    socket,
    pid: child.pid ?? 0,
    ended,
    [Symbol.asyncDispose]: async () => {
      await listener[Symbol.asyncDispose]();
      child.kill("SIGKILL");
      await ended;
      await rm(dir, { recursive: true, force: true });
    },
  };
}

export interface Finished {
  readonly stdout: string;
  readonly stderr: string;
  readonly code?: number;
  readonly signal?: string;
}

/** Reads all output and waits for the end. */
export async function finish(process: AgentProcess): Promise<Finished> {
  const text = { stdout: [] as Uint8Array[], stderr: [] as Uint8Array[] };
  for await (const chunk of process.output) text[chunk.stream].push(chunk.data);
  const { oomKilled: _, ...exit } = await process.exited;
  return { stdout: Buffer.concat(text.stdout).toString(), stderr: Buffer.concat(text.stderr).toString(), ...exit };
}

const PATH = "/usr/bin:/bin";

/** Starts a shell line. */
export function shell(agent: Agent, line: string, more: { pty?: { rows: number; columns: number }; env?: Record<string, string> } = {}) {
  const { env, ...rest } = more;
  return agent.exec({ argv: ["/bin/sh", "-c", line], env: { PATH, ...env }, workdir: "/", ...rest });
}
