// `<data dir>/server.json`: which server runs on a data directory, for the commands on the same machine.
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

export interface ServerRecord {
  /** The process to signal. */
  readonly pid: number;
  /** http:// when it listens on TCP, else the socket. */
  readonly url: string;
  readonly socketUrl: string;
  /** Of the code it runs. */
  readonly build: string;
  /** It is about to end: wait for that, then start another. */
  readonly leaving?: boolean;
}

const fileIn = (dataDir: string) => join(dataDir, "server.json");

export function writeServerRecord(dataDir: string, record: ServerRecord): void {
  const draft = `${fileIn(dataDir)}.${process.pid}`;
  writeFileSync(draft, `${JSON.stringify(record)}\n`, { mode: 0o600 });
  renameSync(draft, fileIn(dataDir));
}

/** Removes the record unless another server has replaced it. */
export function removeServerRecord(dataDir: string, pid: number): void {
  if (readServerRecord(dataDir)?.pid === pid) rmSync(fileIn(dataDir), { force: true });
}

export function readServerRecord(dataDir: string): ServerRecord | undefined {
  try {
    return JSON.parse(readFileSync(fileIn(dataDir), "utf8")) as ServerRecord;
  } catch {
    return undefined;
  }
}

/** The server on this data directory, if it answers. */
export async function findRunningServer(dataDir: string): Promise<ServerRecord | undefined> {
  const record = readServerRecord(dataDir);
  if (!record || !isAlive(record.pid)) return undefined;
  return (await answers(record.socketUrl.replace("unix://", ""))) ? record : undefined;
}

/** Waits for the end of a process that is no child of this one. False when it takes too long. */
export async function waitForEnd(pid: number, timeoutMs: number): Promise<boolean> {
  const deadline = Date.now() + timeoutMs;
  while (isAlive(pid)) {
    if (Date.now() > deadline) return false;
    await delay(20);
  }
  return true;
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
