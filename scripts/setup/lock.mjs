// One set-up at a time. The lock is a file that names its owner's process, made by link(2): it appears with its content
// or not at all. An owner that has died is set aside.
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { SetupError, say } from "./report.mjs";

const PATIENCE_MS = 15 * 60_000;

export async function withLock(path, work) {
  await acquire(path);
  const release = () => rmSync(path, { force: true });
  process.once("exit", release);
  try {
    return await work();
  } finally {
    process.off("exit", release);
    release();
  }
}

async function acquire(path) {
  mkdirSync(dirname(path), { recursive: true });
  const draft = `${path}.${process.pid}`;
  writeFileSync(draft, String(process.pid));
  try {
    const deadline = Date.now() + PATIENCE_MS;
    let told = false;
    for (;;) {
      try {
        linkSync(draft, path);
        return;
      } catch (error) {
        if (error.code !== "EEXIST") throw error;
      }
      const owner = ownerOf(path);
      if (owner !== undefined && !isAlive(owner)) setAside(path, owner);
      else {
        if (Date.now() > deadline)
          throw new SetupError(`process ${owner} has been setting up for 15 minutes.`, `End it, or remove ${path}, then run this again.`);
        if (!told) say(`waiting for process ${owner}, which is setting up this clone`);
        told = true;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
  } finally {
    rmSync(draft, { force: true });
  }
}

function ownerOf(path) {
  try {
    return Number(readFileSync(path, "utf8")) || undefined;
  } catch {
    return undefined;
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}

/** Renaming decides between two that find the same dead owner; a fresh lock taken by mistake is put back. */
function setAside(path, owner) {
  const aside = `${path}.dead.${process.pid}`;
  try {
    renameSync(path, aside);
    if (ownerOf(aside) !== owner) linkSync(aside, path);
  } catch {
    // Another process was faster: the next round sees its lock.
  }
  rmSync(aside, { force: true });
}
