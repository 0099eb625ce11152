// One server per data directory. The lock is SQLite's own on a file of its own: the kernel frees it when its holder is
// gone, however it went, so there is no stale lock to judge and no moment at which two servers believe they have it.
// The file beside it only tells people, and scripts, who holds the lock.
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { LydianError } from "@lydian/protocol";
import Libsql from "libsql";

/** Throws FAILED_PRECONDITION with the pid of the server that has it. Returns the release. */
export function lockDataDir(dataDir: string): () => void {
  const lock = new Libsql(join(dataDir, "lock.db"));
  try {
    lock.exec("PRAGMA busy_timeout = 0");
    lock.exec("BEGIN EXCLUSIVE");
  } catch (error) {
    lock.close();
    if (!String((error as { code?: unknown }).code).startsWith("SQLITE_BUSY")) throw error;
    throw new LydianError("failed_precondition", `Another server (${holder(dataDir)}) uses the data directory ${dataDir}.`, {
      hint: "Stop that one, or give this one a directory of its own: lydian server --data DIR",
    });
  }
  const file = holderFile(dataDir);
  const draft = `${file}.${process.pid}`;
  writeFileSync(draft, `${JSON.stringify({ pid: process.pid })}\n`, { mode: 0o600 });
  renameSync(draft, file);
  return () => {
    rmSync(file, { force: true });
    // An open transaction would outlive `close`.
    lock.exec("ROLLBACK");
    lock.close();
  };
}

const holderFile = (dataDir: string): string => join(dataDir, "server.lock");

function holder(dataDir: string): string {
  try {
    const { pid } = JSON.parse(readFileSync(holderFile(dataDir), "utf8")) as { pid: number };
    return `pid ${pid}`;
  } catch {
    // It is at this moment between taking the lock and writing who it is.
    return "one that is starting or ending";
  }
}
