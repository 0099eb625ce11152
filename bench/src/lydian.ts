// Lydian as a user runs it: `lydian server` in one process, `lydian run` in another.
import { execFile, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { accepting, service } from "./processes.ts";

const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
const cli = join(root, "packages/lydian/dist/cli.js");

export interface LydianBench extends AsyncDisposable {
  /** Runs one entrypoint of apps/calls.ts and returns what it reported, and the events of the run. */
  run<T>(entrypoint: string, env?: Record<string, string>): Promise<{ result: T; events: Record<string, unknown>[] }>;
  /** Runs a program of an official client to its end. */
  client(command: string, args: readonly string[], env: Record<string, string>): Promise<void>;
  /** The process that serves, not its parent. */
  serverPid(): number;
  readonly dataDir: string;
  /** What the server has said since this was asked the last time. */
  said(): string[];
}

const MAX_SAID = 10_000;

export async function lydian(dataDir: string): Promise<LydianBench> {
  const home = await mkdtemp(join(tmpdir(), "bench-lydian-"));
  const said: string[] = [];
  const server = service(
    process.execPath,
    [join(root, "packages/lydian/dist/cli.js"), "server", "--data", dataDir, "--log-level", "debug"],
    {
      env: { ...process.env, LYDIAN_HOME: home },
      onLine: (line) => {
        if (said.push(line) > MAX_SAID) said.shift();
        if (process.env.BENCH_DEBUG) console.error(line);
      },
    },
  );
  await accepting({ path: join(dataDir, "api.sock") }, 60_000).catch(async (error: unknown) => {
    await server[Symbol.asyncDispose]();
    throw error;
  });
  const token = JSON.parse(await readFile(join(dataDir, "local-token.json"), "utf8")) as { tokenId: string; tokenSecret: string };
  const env = {
    ...process.env,
    LYDIAN_HOME: home,
    MODAL_SERVER_URL: `unix://${join(dataDir, "api.sock")}`,
    MODAL_TOKEN_ID: token.tokenId,
    MODAL_TOKEN_SECRET: token.tokenSecret,
  };
  return {
    serverPid: () => (JSON.parse(readFileSync(join(dataDir, "server.lock"), "utf8")) as { pid: number }).pid,
    dataDir,
    said: () => said.splice(0),
    async client(command, args, extra) {
      await promisify(execFile)(command, args, { env: { ...env, ...extra }, maxBuffer: 64 << 20 });
    },
    async run<T>(entrypoint: string, extra: Record<string, string> = {}) {
      const out = join(home, `${entrypoint}.json`);
      const child = spawn(process.execPath, [cli, "run", "--json", `${join(root, "bench/apps/calls.ts")}::${entrypoint}`], {
        env: { ...env, ...extra, BENCH_OUT: out },
        stdio: ["ignore", "pipe", "pipe"],
      });
      let stdout = "";
      let stderr = "";
      child.stdout.on("data", (chunk: Buffer) => {
        stdout += chunk.toString();
      });
      child.stderr.on("data", (chunk: Buffer) => {
        stderr += chunk.toString();
      });
      const code = await new Promise((resolve) => child.once("close", resolve));
      if (code !== 0) throw new Error(`lydian run ::${entrypoint} ended with ${code}\n${stdout}\n${stderr}`);
      const events = `${stdout}\n${stderr}`.split("\n").flatMap((line) => {
        try {
          return line.startsWith("{") ? [JSON.parse(line) as Record<string, unknown>] : [];
        } catch {
          return [];
        }
      });
      return { result: JSON.parse(await readFile(out, "utf8")) as T, events };
    },
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await rm(home, { recursive: true, force: true });
    },
  };
}
