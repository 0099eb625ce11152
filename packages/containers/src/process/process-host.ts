// Runs "containers" as plain child processes: no isolation, no limits, no images. For machines that have nothing else.
//
// Differences a caller can see, besides `features`: binds do not appear at their targets (paths.ts says what happens instead),
// the working directory is a scratch directory unless it lies in a bind, and the machine's PATH is appended to the container's.

import { mkdir, readdir, readFile, realpath, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Container, ContainerHost, ContainerSpec, HostFeatures } from "../host.ts";
import { type LaunchedProcess, Launcher } from "../launcher/launcher.ts";
import { checkCommand, checkSources, checkSpec } from "../spec-check.ts";
import { BIND_PATHS_VARIABLE, pathTranslator } from "./paths.ts";
import { startTime } from "./proc-stat.ts";
import { ProcessContainer } from "./process-container.ts";

export interface ProcessHostOptions {
  readonly stateDir: string;
  /** See `LauncherOptions`. */
  readonly launcherProgram?: string;
}

/** In a container's directory: "pid starttime", so that a sweep kills no stranger that got the pid. */
const PID_FILE = "pid";

export async function createProcessHost(options: ProcessHostOptions): Promise<ContainerHost> {
  await mkdir(options.stateDir, { recursive: true, mode: 0o700 });
  const stateDir = await realpath(options.stateDir);
  const dir = join(stateDir, "processes");
  const left = await sweepProcesses(dir);
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const launcher = await Launcher.start({
    dir: stateDir,
    ...(options.launcherProgram === undefined ? {} : { program: options.launcherProgram }),
  });
  return new ProcessHost(launcher, dir, left);
}

class ProcessHost implements ContainerHost {
  readonly name = "process";
  readonly features: HostFeatures = {
    isolation: false,
    limits: false,
    diskLimit: false,
    images: false,
    networkIsolation: false,
    pause: false,
    networkPolicy: false,
    snapshots: false,
    mounts: false,
    isolations: [],
    adoption: false,
    sharedNetwork: false,
  };
  readonly runtime = `node ${process.versions.node}`;
  readonly #launcher: Launcher;
  readonly #dir: string;
  readonly #containers = new Map<string, Container | undefined>();
  #left: readonly string[];

  constructor(launcher: Launcher, dir: string, left: readonly string[]) {
    this.#launcher = launcher;
    this.#dir = dir;
    this.#left = left;
  }

  async warm(): Promise<void> {
    // Nothing can be made ahead for a plain process.
  }

  async start(spec: ContainerSpec): Promise<Container> {
    checkSpec(spec, this.features.isolations);
    if (spec.networkOf !== undefined)
      throw new Error(`${spec.networkOf} has not a network of its own that could be shared: the process host has the machine's.`);
    if (this.#containers.has(spec.id)) throw new Error(`There is a container ${spec.id} already.`);
    this.#containers.set(spec.id, undefined);
    try {
      await checkSources(spec, { layers: false });
      const container = await this.#start(spec);
      this.#containers.set(spec.id, container);
      return container;
    } catch (error) {
      this.#containers.delete(spec.id);
      await rm(join(this.#dir, spec.id), { recursive: true, force: true });
      throw error;
    }
  }

  async #start(spec: ContainerSpec): Promise<Container> {
    const dir = join(this.#dir, spec.id);
    const scratch = join(dir, "scratch");
    await mkdir(scratch, { recursive: true });
    try {
      const launched = await this.#launch(spec, scratch);
      await writeFile(join(dir, PID_FILE), `${launched.pid} ${await startTime(launched.pid)}`);
      return new ProcessContainer({
        id: spec.id,
        launched,
        dir,
        enter: async (entered) => {
          const whole = { ...spec, ...entered };
          checkCommand(whole);
          return this.#launch(whole, scratch);
        },
        onRemoved: () => this.#containers.delete(spec.id),
      });
    } catch (error) {
      throw new Error(`Container ${spec.id} could not be started: ${error instanceof Error ? error.message : String(error)}`, {
        cause: error,
      });
    }
  }

  async #launch(spec: ContainerSpec, scratch: string): Promise<LaunchedProcess> {
    const translate = pathTranslator(spec.binds);
    const env = Object.fromEntries(Object.entries(spec.env).map(([name, value]) => [name, translate(value)]));
    const paths = Object.fromEntries(spec.binds.map((bind) => [bind.target, bind.source]));
    const workdir = spec.workdir === undefined ? scratch : translate(spec.workdir);
    const cwd = workdir === spec.workdir ? join(scratch, workdir) : workdir;
    await mkdir(cwd, { recursive: true });
    const launched = await this.#launcher.spawn({
      argv: spec.command.map(translate),
      env: {
        ...env,
        PATH: [env.PATH, dirname(process.execPath), process.env.PATH].filter((part) => part !== undefined && part !== "").join(":"),
        [BIND_PATHS_VARIABLE]: JSON.stringify(paths),
      },
      cwd,
      group: true,
    });
    launched.endInput();
    return launched;
  }

  async adopt(): Promise<undefined> {
    return undefined;
  }

  async commit(container: Container): Promise<void> {
    throw new Error(`Container ${container.id} has no writable layer: the process host runs commands on the machine's own files.`);
  }

  async sweep(): Promise<readonly string[]> {
    const found = this.#left;
    this.#left = [];
    return found;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#containers.values()].map((container) => container?.remove()));
    await this.#launcher[Symbol.asyncDispose]();
  }
}

async function sweepProcesses(dir: string): Promise<readonly string[]> {
  const ids = await readdir(dir).catch(() => []);
  for (const id of ids) {
    const [pid = "", started] = (await readFile(join(dir, id, PID_FILE), "utf8").catch(() => "")).split(" ");
    if (pid !== "" && started !== "" && started === (await startTime(Number(pid)))) {
      try {
        process.kill(-Number(pid), "SIGKILL");
      } catch {
        // Its group has ended.
      }
    }
    await rm(join(dir, id), { recursive: true, force: true });
  }
  return ids;
}
