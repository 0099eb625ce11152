// Turns a plan into a running container: its run directory, the socket that is its identity, its files, its process; and takes all of
// that away again when it has ended, whatever happened.
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { type Container, type ContainerHost, type ContainerSpec, DEFAULT_PATH, type Limits } from "@lydian/containers";
import type { Listener } from "@lydian/protocol";
import type { Clock } from "../calls/deadlines.ts";
import type { EndReport, PoolContainer } from "./container.ts";
import { OutputLines, type PrintedLine } from "./output-lines.ts";

export interface LaunchPlan {
  readonly layers: readonly string[];
  readonly command: readonly string[];
  /** Of the image: a program that is given the command as its arguments, and is to run it. */
  readonly entrypoint?: readonly string[] | undefined;
  readonly env: Readonly<Record<string, string>>;
  readonly workdir: string | undefined;
  readonly limits: Limits;
  readonly network: "outbound" | "none";
  /** Files of mounts that lie under `prefix` can be linked to where it sees `target`, before it starts and later. */
  readonly files: { readonly prefix: string; readonly target: string };
  /** What it writes is wanted after its end: it goes to `onFiles`. */
  readonly keepsFiles?: boolean;
  /** Mounts whose files are linked before it starts. */
  readonly linkedMountIds: readonly string[];
}

export interface LaunchOptions {
  readonly host: ContainerHost;
  /** One directory a container below it. On the filesystem of the mounts' files, so that they can be linked. */
  readonly runDir: string;
  /** Holds the runtimes' programs. */
  readonly runtimeDir: string;
  readonly listen: (path: string, label: string) => Promise<Listener>;
  readonly linkInto: (mountId: string, prefix: string, dir: string) => Promise<void>;
  readonly onLines: (container: PoolContainer, lines: readonly PrintedLine[]) => void;
  readonly onStarted: (container: PoolContainer) => void;
  /** It has ended; what is left of it is being removed. Must not reject. */
  readonly onEnded: (container: PoolContainer, report: EndReport) => Promise<void>;
  /** A container that `keepsFiles` has ended and is not removed yet. */
  readonly onFiles: (container: PoolContainer, running: Container) => Promise<void>;
  readonly log: (message: string) => void;
  readonly clock: Clock;
}

/** Where a container sees its sockets and the runtimes. */
export const RUN_DIR = "/run/lydian";
const SOCKET = "api.sock";
const MESSAGE_LIMIT = 2000;

/** Starts the container and resolves when it has ended and every trace of it is gone. Never rejects. */
export async function runContainer(container: PoolContainer, makePlan: () => Promise<LaunchPlan>, options: LaunchOptions): Promise<void> {
  const dir = join(options.runDir, container.taskId);
  const lines = new OutputLines();
  let listener: Listener | undefined;
  let running: Container | undefined;
  let keepsFiles = false;
  let entrypoint: readonly string[] | undefined;
  let report: EndReport;
  try {
    const plan = await makePlan();
    entrypoint = plan.entrypoint;
    keepsFiles = plan.keepsFiles === true;
    const runDir = join(dir, "run");
    container.filesDir = join(dir, "files");
    container.filesPrefix = plan.files.prefix;
    await mkdir(join(runDir, "runtime"), { recursive: true, mode: 0o755 });
    await mkdir(join(runDir, "files"), { mode: 0o755 });
    await mkdir(container.filesDir, { mode: 0o755 });
    // Anyone inside may connect: the socket's directory is the container's own, and its parent is the server's alone.
    listener = await options.listen(join(runDir, SOCKET), container.taskId);
    await linkAll(container, plan.linkedMountIds, options);
    if (!container.live) throw new Error("it was stopped before it was started");
    const spec = specOf(container, plan, runDir, options);
    running = await options.host.start(spec);
    Object.assign(container, { running, runDir, env: spec.env, workdir: spec.workdir ?? "/" });
    options.onStarted(container);
    for await (const chunk of running.output) print(container, lines.push(chunk), options);
    print(container, lines.end(), options);
    report = { exit: await running.exited, startError: undefined, tail: lines.tail(), entrypoint };
  } catch (error) {
    const message = (error instanceof Error ? error.message : String(error)).slice(0, MESSAGE_LIMIT);
    report = { exit: undefined, startError: message, tail: lines.tail(), entrypoint };
  }
  // Its inputs need not wait for the removal of what it leaves.
  const last = async (): Promise<void> => (keepsFiles && running !== undefined ? options.onFiles(container, running) : undefined);
  await Promise.all([options.onEnded(container, report), cleanUp(container, running, listener, dir, last, options)]);
}

/** Links files of mounts to where the container looks for them. */
export async function linkAll(container: PoolContainer, mountIds: readonly string[], options: LaunchOptions): Promise<void> {
  for (const mountId of mountIds) await options.linkInto(mountId, container.filesPrefix, container.filesDir);
}

function specOf(container: PoolContainer, plan: LaunchPlan, runDir: string, options: LaunchOptions): ContainerSpec {
  return {
    id: container.taskId,
    layers: plan.layers,
    command: [...(plan.entrypoint ?? []), ...plan.command],
    env: {
      PATH: DEFAULT_PATH,
      HOME: "/root",
      ...plan.env,
      MODAL_IS_REMOTE: "1",
      MODAL_SERVER_URL: `unix://${RUN_DIR}/${SOCKET}`,
      MODAL_TASK_ID: container.taskId,
    },
    ...(plan.workdir !== undefined && { workdir: plan.workdir }),
    limits: plan.limits,
    ...(plan.keepsFiles === true && { keepWritableLayer: true }),
    network: plan.network,
    binds: [
      { source: runDir, target: RUN_DIR, readOnly: true },
      { source: options.runtimeDir, target: `${RUN_DIR}/runtime`, readOnly: true },
      { source: container.filesDir, target: plan.files.target, readOnly: true },
    ],
  };
}

function print(container: PoolContainer, lines: readonly PrintedLine[], options: LaunchOptions): void {
  if (lines.length > 0) options.onLines(container, lines);
}

async function cleanUp(
  container: PoolContainer,
  running: Container | undefined,
  listener: Listener | undefined,
  dir: string,
  last: () => Promise<void>,
  options: LaunchOptions,
): Promise<void> {
  const steps: [string, () => Promise<void> | undefined][] = [
    ["its files", last],
    ["the container", () => running?.remove()],
    ["its socket", () => listener?.close()],
    ["its directory", () => rm(dir, { recursive: true, force: true })],
  ];
  for (const [what, step] of steps) {
    try {
      await step();
    } catch (error) {
      options.log(`Of container ${container.taskId}, ${what} could not be removed or kept: ${String(error)}`);
    }
  }
}
