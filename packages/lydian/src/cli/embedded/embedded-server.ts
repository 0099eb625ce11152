// The server that `lydian run` uses when none is configured: a process of its own on ~/.lydian/data, reached over a unix
// socket only, found again by later commands, ending by itself a minute after its last app.
import { spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { LydianError } from "@lydian/protocol";
import { defaultDataDir, lydianHome } from "../../config/home.ts";
import { readLocalToken } from "../../config/local-token.ts";
import { findRunningServer, type ServerRecord, waitForEnd } from "../../config/server-record.ts";
import type { Target } from "../../config/target.ts";
import { buildId, CLI_FILE } from "../dist-files.ts";
import { takeLease } from "../serve/leases.ts";
import { withStartLock } from "./start-lock.ts";

/** How long the server stays without an app. LYDIAN_IDLE_EXIT overrides it. */
const DEFAULT_IDLE_EXIT = "60s";
const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 15_000;

export interface EmbeddedOptions {
  /** Told what takes time. */
  readonly onStatus: (text: string) => void;
}

/** The running embedded server, started when there is none. */
export async function embeddedServer(options: EmbeddedOptions): Promise<Omit<Target, "environment">> {
  const dataDir = defaultDataDir();
  takeLease(dataDir);
  let record = await findRunningServer(dataDir);
  if (!record || record.leaving || record.build !== buildId()) {
    record = await withStartLock(join(lydianHome(), "embedded.lock"), async () => {
      const found = await findRunningServer(dataDir);
      if (found?.leaving) await ended(found.pid);
      else if (found && !(await isOutdated(found, dataDir, options))) return found;
      options.onStatus("starting the embedded server");
      return startDetached(dataDir);
    });
  }
  return { serverUrl: record.socketUrl, token: readLocalToken(dataDir), source: "embedded" };
}

/** True once a server of an older build has been stopped. One with apps is left alone and used as it is. */
async function isOutdated(record: ServerRecord, dataDir: string, { onStatus }: EmbeddedOptions): Promise<boolean> {
  if (record.build === buildId()) return false;
  const { hasLiveApps } = await import("./live-apps.ts");
  if (await hasLiveApps(record.socketUrl, readLocalToken(dataDir))) {
    onStatus(`using the running server (pid ${record.pid}), which is of another version and has apps`);
    return false;
  }
  onStatus("replacing the embedded server, which is of another version");
  try {
    process.kill(record.pid, "SIGTERM");
  } catch {
    return true;
  }
  await ended(record.pid);
  return true;
}

async function ended(pid: number): Promise<void> {
  if (await waitForEnd(pid, STOP_TIMEOUT_MS)) return;
  throw new LydianError("unavailable", `the old embedded server (pid ${pid}) does not stop`, { hint: `kill ${pid}` });
}

async function startDetached(dataDir: string): Promise<ServerRecord> {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const logFile = join(lydianHome(), "server.log");
  const log = openSync(logFile, "w", 0o600);
  const idle = process.env.LYDIAN_IDLE_EXIT ?? DEFAULT_IDLE_EXIT;
  const args = [CLI_FILE, "server", "--data", dataDir, "--idle-exit", idle];
  const child = spawn(process.execPath, args, { detached: true, stdio: ["ignore", log, log, "ipc"], cwd: "/" });
  closeSync(log);
  const failure = await new Promise<string | undefined>((resolve) => {
    const timer = setTimeout(() => resolve(`it was not ready after ${START_TIMEOUT_MS / 1000} s`), START_TIMEOUT_MS);
    const settle = (reason: string | undefined) => {
      clearTimeout(timer);
      resolve(reason);
    };
    child.once("message", () => settle(undefined));
    child.once("error", (error) => settle(error.message));
    child.once("exit", (code, signal) => settle(`it ended with ${signal ?? `exit code ${code}`}`));
  });
  if (child.connected) child.disconnect();
  child.unref();
  const record = failure === undefined ? await findRunningServer(dataDir) : undefined;
  if (record) return record;
  const output = tail(logFile);
  throw new LydianError(
    "unavailable",
    `the embedded server did not start: ${failure ?? "it ended at once"}${output ? `\n${output}` : ""}`,
    {
      hint: `Its log is ${logFile}. lydian doctor checks this machine.`,
    },
  );
}

function tail(file: string): string {
  try {
    return readFileSync(file, "utf8")
      .trimEnd()
      .split("\n")
      .slice(-15)
      .map((line) => `  | ${line}`)
      .join("\n");
  } catch {
    return "";
  }
}
