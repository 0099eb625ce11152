import { type ChildProcess, spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";

const root = join(import.meta.dirname, "..");
export const cli = join(root, "packages/lydian/dist/cli.js");

/** A `lydian server` of the test's own. Its sandboxes end with it, unless the options say `--keep-sandboxes`. */
export interface ServerProcess {
  readonly process: ChildProcess;
  /** Where it listens, when it was given a port. */
  readonly url: string;
  /** For `lydian run` against it. */
  readonly env: NodeJS.ProcessEnv;
  /** SIGKILL to the server alone: its parent, which holds its socket, starts it again. */
  crash(): Promise<void>;
  /** SIGKILL to the server and its parent: both die at once, without a word. */
  killNine(): Promise<void>;
  /** SIGTERM, and the exit code. */
  stop(): Promise<number | null>;
}

export async function startServer(dataDir: string, options: readonly string[] = []): Promise<ServerProcess> {
  const keeps = options.includes("--keep-sandboxes");
  const args = [...options.filter((option) => option !== "--keep-sandboxes"), ...(keeps ? [] : ["--no-keep-sandboxes"])];
  const child = spawn(process.execPath, [cli, "server", "--data", dataDir, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  const exited = new Promise<number | null>((resolve) => child.once("exit", resolve));
  let errors = "";
  child.stderr.on("data", (chunk: Buffer) => {
    errors += chunk.toString();
  });
  const ready = await Promise.race([
    new Promise<string>((resolve) => createInterface(child.stdout).once("line", resolve)),
    exited.then(() => undefined),
  ]);
  if (ready === undefined) throw new Error(`the server ended before it was ready\n${errors}`);
  const token = JSON.parse(await readFile(join(dataDir, "local-token.json"), "utf8")) as { tokenId: string; tokenSecret: string };
  return {
    process: child,
    url: /http:\/\/\S+/.exec(ready)?.[0] ?? "",
    env: {
      ...process.env,
      MODAL_SERVER_URL: `unix://${join(dataDir, "api.sock")}`,
      MODAL_TOKEN_ID: token.tokenId,
      MODAL_TOKEN_SECRET: token.tokenSecret,
    },
    async crash() {
      process.kill(await serverPid(dataDir), "SIGKILL");
    },
    async killNine() {
      const pid = await serverPid(dataDir);
      if (child.pid !== undefined) process.kill(child.pid, "SIGKILL");
      process.kill(pid, "SIGKILL");
      await exited;
    },
    async stop() {
      child.kill("SIGTERM");
      return exited;
    },
  };
}

async function serverPid(dataDir: string): Promise<number> {
  return (JSON.parse(await readFile(join(dataDir, "server.lock"), "utf8")) as { pid: number }).pid;
}
