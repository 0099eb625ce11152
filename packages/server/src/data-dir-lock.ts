// One server per data directory. The lock is a file with the owner's pid and the time at which that process started, so
// that a lock left by a crash is told from one whose pid now belongs to another program.
import { linkSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { LydianError } from "@lydian/protocol";

export function lockDataDir(dataDir: string): () => void {
  const file = join(dataDir, "server.lock");
  const draft = `${file}.${process.pid}`;
  writeFileSync(draft, JSON.stringify({ pid: process.pid, startedAt: startTime(process.pid) }), { mode: 0o600 });
  try {
    for (let attempt = 0; attempt < 3; attempt++) {
      try {
        linkSync(draft, file);
        return () => rmSync(file, { force: true });
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      }
      const pid = liveOwner(file);
      if (pid !== undefined) {
        throw new LydianError(
          "failed_precondition",
          `Another server${pid > 0 ? ` (pid ${pid})` : ""} uses the data directory ${dataDir}.`,
          {
            hint: "Stop that one, or give this one a directory of its own: lydian server --data DIR",
          },
        );
      }
      rmSync(file, { force: true });
    }
    throw new LydianError("unavailable", `The lock ${file} changes hands all the time; another server is starting.`);
  } finally {
    rmSync(draft, { force: true });
  }
}

function liveOwner(file: string): number | undefined {
  try {
    const { pid, startedAt } = JSON.parse(readFileSync(file, "utf8")) as { pid: number; startedAt: string };
    process.kill(pid, 0);
    return startTime(pid) === startedAt ? pid : undefined;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === "EPERM" ? -1 : undefined;
  }
}

/** Ticks since boot at which a process started; empty for one that has ended (a zombie, too) and where /proc does not tell. */
function startTime(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" ? "" : (fields[19] ?? "");
  } catch {
    return "";
  }
}
