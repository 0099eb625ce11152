// Who is about to use the embedded server. A command says so before it looks for the server, and the server looks for such
// commands after it has said that it is leaving: one of the two always sees the other.
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isAlive } from "../../config/server-record.ts";

const dirOf = (dataDir: string) => join(dataDir, "users");

/** Until this process ends. */
export function takeLease(dataDir: string): void {
  mkdirSync(dirOf(dataDir), { recursive: true, mode: 0o700 });
  const file = join(dirOf(dataDir), String(process.pid));
  writeFileSync(file, "");
  process.once("exit", () => rmSync(file, { force: true }));
}

/** Whether a living process holds a lease. Those of the dead are removed. */
export function hasLeases(dataDir: string): boolean {
  let names: string[];
  try {
    names = readdirSync(dirOf(dataDir));
  } catch {
    return false;
  }
  for (const name of names) {
    if (isAlive(Number(name))) return true;
    rmSync(join(dirOf(dataDir), name), { force: true });
  }
  return false;
}
