// The further containers of sandboxes. They live in this process alone, and no longer than their sandbox.
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { LydianError } from "@lydian/protocol";
import type { Deadlines } from "../calls/deadlines.ts";
import { startProcess } from "../execs/programs.ts";
import { newId } from "../ids.ts";
import type { Logs } from "../logs/logs.ts";
import { OutputLines } from "../pools/output-lines.ts";
import { COMMAND } from "./commands.ts";
import { checkSandboxName, type ResolvedSandbox } from "./definition.ts";
import { exited, notStarted, type SandboxResult, terminated } from "./results.ts";
import type { Sandbox, StartedContainer } from "./sandbox.ts";
import { Sidecar } from "./sidecar.ts";

export interface SidecarsOptions {
  readonly logs: Pick<Logs, "append">;
  readonly deadlines: Deadlines;
  readonly now: () => number;
  /** Resolves when the container runs in the network of its sandbox, and its agent answers. */
  readonly startContainer: (sidecar: Sidecar) => Promise<StartedContainer>;
  readonly onError: (what: string, error: unknown) => void;
}

export interface NewSidecar {
  readonly name: string;
  readonly resolved: ResolvedSandbox;
  readonly env: Readonly<Record<string, string>>;
  readonly workdir: string;
  /** A request that comes again with it gets the same container. Empty: none does. */
  readonly idempotencyKey: string;
}

/** What the sandbox's own container is called. */
const MAIN = "main";
/** Of one sandbox at once. */
const MAX_RUNNING = 16;
/** Of one sandbox; beyond, those that ended first are forgotten. */
const MAX_ENDED = 100;
const LOOK_AGAIN_MS = 3_600_000;

interface OfSandbox {
  /** By id, oldest first. */
  readonly all: Map<string, Sidecar>;
  readonly byKey: Map<string, Promise<Sidecar>>;
}

export class Sidecars {
  readonly #options: SidecarsOptions;
  /** By the task of their sandbox. */
  readonly #ofSandboxes = new Map<string, OfSandbox>();

  constructor(options: SidecarsOptions) {
    this.#options = options;
  }

  /** Resolves when its command runs. Throws `already_exists` for a name that one of the sandbox's has that runs, `invalid_argument`. */
  async create(sandbox: Sandbox, wanted: NewSidecar): Promise<Sidecar> {
    await sandbox.agent();
    const { all, byKey } = this.#of(sandbox);
    const { name, resolved, idempotencyKey } = wanted;
    const known = idempotencyKey === "" ? undefined : byKey.get(idempotencyKey);
    if (known !== undefined) return known;
    checkName(name);
    checkNetwork(resolved, sandbox);
    const running = [...all.values()].filter((each) => !each.removed);
    const holder = running.find((each) => each.name === name);
    if (holder !== undefined)
      throw new LydianError(
        "already_exists",
        `The sandbox ${sandbox.id} runs a container ${JSON.stringify(name)} already (${holder.id}).`,
        {
          hint: "Terminate it first, or choose another name.",
        },
      );
    if (running.length >= MAX_RUNNING)
      throw new LydianError(
        "resource_exhausted",
        `The sandbox ${sandbox.id} runs ${running.length} containers beside its own, the most at once.`,
      );
    const id = newId("ctr");
    const sidecar = new Sidecar({ ...wanted, id, sandbox, dir: join(sandbox.dir, id) });
    all.set(id, sidecar);
    const made = this.#start(sidecar);
    if (idempotencyKey !== "") {
      byKey.set(idempotencyKey, made);
      made.catch(() => byKey.delete(idempotencyKey));
    }
    return made;
  }

  /** Those of the sandbox, oldest first. */
  list(sandbox: Sandbox, includeEnded: boolean): Sidecar[] {
    return [...(this.#ofSandboxes.get(sandbox.taskId)?.all.values() ?? [])].filter((each) => includeEnded || !each.removed);
  }

  /** The one of this name that runs; if those count that have ended, else the latest of them. Throws `not_found`. */
  named(sandbox: Sandbox, name: string, includeEnded: boolean): Sidecar {
    const found = this.list(sandbox, includeEnded).findLast((each) => each.name === name);
    if (found !== undefined) return found;
    throw new LydianError("not_found", `The sandbox ${sandbox.id} runs no container ${JSON.stringify(name.slice(0, 100))}.`);
  }

  /** Throws `not_found`. */
  require(sandbox: Sandbox, id: string): Sidecar {
    const found = this.#ofSandboxes.get(sandbox.taskId)?.all.get(id);
    if (found !== undefined) return found;
    throw new LydianError("not_found", `The sandbox ${sandbox.id} has no container ${JSON.stringify(id.slice(0, 100))}.`);
  }

  /** How it ended; undefined when it has not within the time, or before a signal aborts. */
  async wait(sidecar: Sidecar, timeoutMs: number, ...signals: readonly AbortSignal[]): Promise<SandboxResult | undefined> {
    const until = this.#options.now() + timeoutMs;
    while (!sidecar.removed) {
      const restMs = until - this.#options.now();
      if (restMs <= 0 || signals.some((signal) => signal.aborted)) return undefined;
      await sidecar.changed.wait(Math.min(restMs, LOOK_AGAIN_MS), ...signals);
    }
    return sidecar.end;
  }

  /** Resolves when it is gone. No effect on one that has ended. */
  async terminate(sidecar: Sidecar, reason: string): Promise<void> {
    this.#end(sidecar, terminated(reason));
    await this.wait(sidecar, LOOK_AGAIN_MS);
  }

  /** Whether the layer in this directory is mounted in one that lives. */
  uses(layer: string): boolean {
    return [...this.#ofSandboxes.values()].some(({ all }) =>
      [...all.values()].some(({ removed, usedLayers }) => !removed && usedLayers.includes(layer)),
    );
  }

  /** Ends all of them. */
  async stop(): Promise<void> {
    await Promise.all([...this.#ofSandboxes.values()].map(({ all }) => this.#endAll(all.values(), "The server is stopping.")));
  }

  #of(sandbox: Sandbox): OfSandbox {
    let found = this.#ofSandboxes.get(sandbox.taskId);
    if (found === undefined) {
      found = { all: new Map(), byKey: new Map() };
      this.#ofSandboxes.set(sandbox.taskId, found);
      void this.#follow(sandbox, found);
    }
    return found;
  }

  /** They end with the sandbox, and are forgotten with it. */
  async #follow(sandbox: Sandbox, of: OfSandbox): Promise<void> {
    while (sandbox.live) await sandbox.changed.wait(LOOK_AGAIN_MS);
    await this.#endAll(of.all.values(), "Its sandbox has ended.");
    const { deadlines, now } = this.#options;
    deadlines.add(now() + LOOK_AGAIN_MS, () => this.#ofSandboxes.delete(sandbox.taskId));
  }

  async #endAll(sidecars: Iterable<Sidecar>, reason: string): Promise<void> {
    await Promise.all([...sidecars].map((sidecar) => this.terminate(sidecar, reason)));
  }

  async #start(sidecar: Sidecar): Promise<Sidecar> {
    const { startContainer } = this.#options;
    using _use = sidecar.sandbox.use();
    const starting = async (): Promise<StartedContainer> => {
      await mkdir(sidecar.dir, { recursive: true, mode: 0o700 });
      const started = await startContainer(sidecar);
      // It may have been ended meanwhile.
      if (sidecar.live) await this.#run(sidecar, started);
      return started;
    };
    sidecar.started = starting();
    try {
      const { container } = await sidecar.started;
      if (sidecar.live) sidecar.sandbox.beside.add(container);
      void container.exited.then((exit) => this.#end(sidecar, exited(exit)));
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#end(sidecar, notStarted(reason));
      const what = `The container ${JSON.stringify(sidecar.name)} of the sandbox ${sidecar.sandbox.id} could not be started: ${reason}`;
      throw LydianError.is(error) ? error : new LydianError("invalid_argument", what, { cause: error });
    }
    return sidecar;
  }

  async #run(sidecar: Sidecar, started: StartedContainer): Promise<void> {
    const { logs, deadlines, now } = this.#options;
    const { command: argv, pty } = sidecar.resolved;
    if (argv.length === 0) return;
    const lines = new OutputLines();
    const { appId, taskId } = sidecar.sandbox.record;
    const print = (printed: ReturnType<OutputLines["push"]>) => {
      for (const { fd, text } of printed) logs.append({ appId, taskId, fd, text, at: now() });
    };
    // Nobody can ask for what it prints but in the logs.
    const { exec } = await startProcess(
      started.agent,
      { argv, env: { ...sidecar.env, ...pty?.env }, workdir: sidecar.workdir, pty: pty && { rows: pty.rows, columns: pty.columns } },
      { name: COMMAND, keepsStdout: false, stderr: "drop", deadlineAt: 0 },
      { dir: sidecar.dir, deadlines, onOutput: (chunk) => print(lines.push(chunk)), outlives: false },
    ).catch(async (error: unknown) => {
      await started.remove();
      throw error;
    });
    sidecar.command = exec;
    void exec.done.then((exit) => {
      print(lines.end());
      this.#end(sidecar, exited(exit));
    });
  }

  /** The first end counts. */
  #end(sidecar: Sidecar, result: SandboxResult): void {
    if (!sidecar.live) return;
    sidecar.end = result;
    void this.#takeAway(sidecar);
  }

  async #takeAway(sidecar: Sidecar): Promise<void> {
    const { onError } = this.#options;
    const started = await sidecar.started.catch(() => undefined);
    sidecar.command?.kill();
    try {
      await started?.remove();
      await sidecar.command?.done;
      if (started !== undefined && (await started.container.exited).oomKilled) sidecar.end = exited({ code: 137, oomKilled: true });
    } catch (error) {
      onError(`the container ${sidecar.id} of the sandbox ${sidecar.sandbox.id} could not be removed`, error);
    }
    if (started !== undefined) sidecar.sandbox.beside.delete(started.container);
    sidecar.removed = true;
    sidecar.changed.wake();
    const ended = this.list(sidecar.sandbox, true).filter(({ removed }) => removed);
    for (const oldest of ended.slice(0, Math.max(0, ended.length - MAX_ENDED))) {
      const of = this.#ofSandboxes.get(sidecar.taskId);
      of?.all.delete(oldest.id);
      of?.byKey.delete(oldest.idempotencyKey);
      await rm(oldest.dir, { recursive: true, force: true }).catch((error: unknown) => onError(`the files of ${oldest.id}`, error));
    }
  }
}

function checkName(name: string): void {
  if (name === MAIN)
    throw new LydianError(
      "invalid_argument",
      `The name ${JSON.stringify(MAIN)} is that of the sandbox's own container. Choose another one.`,
    );
  checkSandboxName(name);
}

/** There is one network, with one policy. */
function checkNetwork({ network }: ResolvedSandbox, sandbox: Sandbox): void {
  if (network === "outbound" || JSON.stringify(network) === JSON.stringify(sandbox.resolved.network)) return;
  throw new LydianError("unimplemented", "The containers of a sandbox share its network: one alone can have no policy of its own.", {
    hint: "Give the policy to the sandbox; it holds for all of its containers.",
  });
}
