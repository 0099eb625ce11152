// The released clients that are judges here, each in an environment of its own, and a server for them.
import { spawnSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe } from "vitest";
import { cached, shareLayers } from "../cache.ts";
import { type Ended, RunningCommand, runCommand } from "../run-command.ts";
import { type ServerProcess, startServer } from "../server-process.ts";

/** Why there can be no Python clients here; undefined when there can. */
const whyNoPython = spawnSync("python3", ["-c", "import ensurepip, venv"]).status === 0 ? undefined : "there is no python3 with venv here";
if (whyNoPython !== undefined) console.warn(`The tests with official Python clients are skipped: ${whyNoPython}.`);

/** Of what needs one of the Python clients. */
export const describeWithPython = describe.skipIf(whyNoPython !== undefined);

const VERSIONS = ["1.6.4", "1.5.5", "1.4.3"] as const;
type Version = (typeof VERSIONS)[number];

/** The newest client does everything; older ones what is most used, or everything with `LYDIAN_CONFORMANCE=full`. */
export function clientsFor(part: "core" | "rest"): readonly Version[] {
  return part === "core" || process.env.LYDIAN_CONFORMANCE === "full" ? VERSIONS : VERSIONS.slice(0, 1);
}

export const programs = join(import.meta.dirname, "programs");

export interface Use {
  /** Beside the server's and the token's. A name with `undefined` is taken away. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
}

/** A client that is installed, and what it runs against. */
export interface Client {
  /** `modal …`, until it ends. */
  modal(args: readonly string[], use?: Use): Promise<Ended>;
  /** `modal …`, while it runs. */
  start(args: readonly string[], use?: Use): RunningCommand;
  /** `python …`, with the client, while it runs. */
  startPython(args: readonly string[], use?: Use): RunningCommand;
  /** The same, until it ends. */
  python(args: readonly string[], use?: Use): Promise<Ended>;
}

/** The path of a Python with this version of the client, any that PyPI has. */
export async function installPython(version: string): Promise<string> {
  const dir = await cached(`modal-${version}`, { version }, async (target) => {
    const { env } = process;
    for (const [command, ...args] of [
      ["python3", "-m", "venv", target],
      [join(target, "bin/python"), "-m", "pip", "install", "--quiet", `modal==${version}`],
    ] as const) {
      const { code, output } = await runCommand(command, args, { env });
      if (code !== 0) throw new Error(`${command} ${args.join(" ")} failed:\n${output}`);
    }
  });
  return join(dir, "bin/python");
}

/** A server of the file's own, on a port of its own, with a home directory that has no settings of anybody. */
export class TestServer {
  dataDir = "";
  readonly #flags: () => readonly string[];
  #server: ServerProcess | undefined;

  /**
   * To be called once, outside of tests. `flags` are asked for when it starts. `ownLayers`: what names of images mean to it is nothing for
   * other tests.
   */
  constructor(flags: () => readonly string[] = () => [], { ownLayers = false } = {}) {
    this.#flags = flags;
    beforeAll(async () => {
      this.dataDir = await mkdtemp("/var/tmp/lydian-python-");
      if (!ownLayers) await shareLayers(this.dataDir);
      await this.start();
    });
    afterAll(async () => {
      await this.#server?.stop();
      await rm(this.dataDir, { recursive: true, force: true, maxRetries: 3 });
    });
  }

  get process(): ServerProcess {
    if (this.#server === undefined) throw new Error("the server is not started yet");
    return this.#server;
  }

  /** For the first time, or again with the same port: clients find it where it was. */
  async start(): Promise<void> {
    const port = this.#server === undefined ? 0 : Number(new URL(this.url).port);
    this.#server = await startServer(this.dataDir, ["--port", String(port), ...this.#flags()]);
  }

  get url(): string {
    return this.process.url;
  }

  env({ env = {} }: Use): NodeJS.ProcessEnv {
    const whole: NodeJS.ProcessEnv = { ...this.process.env, MODAL_SERVER_URL: this.url, HOME: this.dataDir, COLUMNS: "200" };
    for (const name of Object.keys(whole)) if (name.startsWith("PYTHON")) delete whole[name];
    for (const [name, value] of Object.entries(env)) {
      if (value === undefined) delete whole[name];
      else whole[name] = value;
    }
    return whole;
  }

  /** The client, installed when it is asked for the first time. */
  async client(version: Version): Promise<Client> {
    const python = await installPython(version);
    const options = (use: Use) => ({ cwd: use.cwd ?? programs, env: { ...this.env(use), PYTHONDONTWRITEBYTECODE: "1" } });
    return {
      // Not `bin/modal`, which names the directory in which it was installed.
      modal: (args, use = {}) => runCommand(python, ["-m", "modal", ...args], options(use)),
      start: (args, use = {}) => new RunningCommand(python, ["-m", "modal", ...args], options(use)),
      startPython: (args, use = {}) => new RunningCommand(python, args, options(use)),
      python: (args, use = {}) => runCommand(python, args, options(use)),
    };
  }
}
