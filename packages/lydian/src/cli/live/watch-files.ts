// Changes of files, told together: an editor writes several at once, and each by more than one step.
import { type FSWatcher, watch } from "node:fs";
import { dirname, join } from "node:path";

const QUIET_MS = 100;

export interface Changes extends Disposable {
  /** Watches these from now on, instead of those before. */
  watch(files: readonly string[]): void;
  /** Resolves when one has changed since the last time, to those that have; to none when the signal is aborted. */
  next(signal: AbortSignal): Promise<readonly string[]>;
}

/** Directories are watched rather than files: editors replace a file by another one of its name. */
export function watchFiles(): Changes {
  const watchers = new Map<string, FSWatcher>();
  const changed = new Set<string>();
  let files: ReadonlySet<string> = new Set();
  let wake = () => {};
  let timer: NodeJS.Timeout | undefined;
  const note = (file: string) => {
    if (!files.has(file)) return;
    changed.add(file);
    clearTimeout(timer);
    timer = setTimeout(() => wake(), QUIET_MS);
  };
  return {
    watch(next) {
      files = new Set(next);
      const dirs = new Set(next.map(dirname));
      for (const [dir, watcher] of watchers) {
        if (dirs.has(dir)) continue;
        watcher.close();
        watchers.delete(dir);
      }
      for (const dir of dirs) {
        if (watchers.has(dir)) continue;
        // A directory that goes away is found out by the next build.
        const watcher = watch(dir, (_, name) => name !== null && note(join(dir, name))).on("error", () => {});
        watchers.set(dir, watcher);
      }
    },
    async next(signal) {
      while (changed.size === 0 && !signal.aborted) {
        await new Promise<void>((resolve) => {
          wake = resolve;
          signal.addEventListener("abort", () => resolve(), { once: true });
        });
      }
      const result = [...changed];
      changed.clear();
      return signal.aborted ? [] : result;
    },
    [Symbol.dispose]() {
      clearTimeout(timer);
      for (const watcher of watchers.values()) watcher.close();
    },
  };
}
