// Only one of several commands starts the embedded server. The lock is a file that names its owner, made by link(2): it
// appears with its content or not at all. The lock of a dead owner is set aside.
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { isAlive } from "../../config/server-record.ts";
import { UsageError } from "../exit.ts";

const PATIENCE_MS = 120_000;

/** Runs `work` while no other process does under the same path. Throws when another one holds it for two minutes. */
export async function withStartLock<T>(path: string, work: () => Promise<T>): Promise<T> {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const draft = `${path}.${process.pid}`;
  writeFileSync(draft, String(process.pid));
  try {
    const deadline = Date.now() + PATIENCE_MS;
    while (!tryLink(draft, path)) {
      const owner = ownerOf(path);
      if (owner !== undefined && !isAlive(owner)) setAside(path, owner);
      else if (Date.now() > deadline)
        throw new UsageError(`process ${owner} has been starting the server for two minutes`, `End it, or remove ${path}.`);
      else await delay(50);
    }
  } finally {
    rmSync(draft, { force: true });
  }
  try {
    return await work();
  } finally {
    rmSync(path, { force: true });
  }
}

function tryLink(draft: string, path: string): boolean {
  try {
    linkSync(draft, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

function ownerOf(path: string): number | undefined {
  try {
    return Number(readFileSync(path, "utf8")) || undefined;
  } catch {
    return undefined;
  }
}

/** Renaming decides between two that see the same dead owner; a fresh lock taken by mistake is put back. */
function setAside(path: string, owner: number): void {
  const aside = `${path}.dead.${process.pid}`;
  try {
    renameSync(path, aside);
    if (ownerOf(aside) !== owner) linkSync(aside, path);
  } catch {
    // Another process was faster; the next round sees its lock.
  }
  rmSync(aside, { force: true });
}
