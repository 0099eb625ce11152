// The OCI runtimes we drive, and how they differ.
//
// crun is the faster one by far (written in C, and it lets us hand it a ready control group and a compiled seccomp
// filter). It refuses machines with hybrid control groups; inside the slot's own mount namespace we unmount the part it
// stumbles over. runc works everywhere and is the fallback.

import type { Launcher } from "../launcher/launcher.ts";

export type RuntimeName = "crun" | "runc";

export interface Runtime {
  readonly name: RuntimeName;
  readonly version: string;
  /** Makes a control group of its own below ours. Otherwise it is started inside ours. */
  readonly ownCgroup: boolean;
  /** Takes a compiled seccomp filter. */
  readonly compiledSeccomp: boolean;
}

export interface RunPaths {
  /** Where the runtime keeps its state. */
  readonly root: string;
  readonly log: string;
  readonly pidFile: string;
}

/** Reads the first line of `--version`: "runc version 1.1.5+ds1", "crun version 1.8.1". */
export function parseVersion(text: string): string | undefined {
  return /\bversion:? v?(\d+(?:\.\d+)*[^\s]*)/.exec(text)?.[1];
}

/** The runtime to use, best first. Rejects when there is none. */
export async function findRuntime(launcher: Launcher, wanted?: RuntimeName): Promise<Runtime> {
  const reasons: string[] = [];
  for (const name of wanted === undefined ? (["crun", "runc"] as const) : [wanted]) {
    try {
      const version = parseVersion(await launcher.run([name, "--version"]));
      if (version === undefined) throw new Error(`${name} --version printed no version`);
      return { name, version, ownCgroup: name === "runc", compiledSeccomp: name === "crun" };
    } catch (error) {
      reasons.push(error instanceof Error ? error.message : String(error));
    }
  }
  throw new Error(`No OCI runtime works on this machine (${reasons.join("; ")}). Install one: apt-get install crun`);
}

/** The command that runs the container of the bundle in the working directory, and stays until it ends. */
export function runCommand(runtime: Runtime, name: string, paths: RunPaths): readonly string[] {
  if (runtime.name === "crun") {
    // The group is ours: made before, entered already, read after.
    return ["crun", "--root", paths.root, "--log", paths.log, "--cgroup-manager=disabled", "run", "--pid-file", paths.pidFile, name];
  }
  // --keep: its control group must outlive it, because the OOM counter is there.
  return ["runc", "--root", paths.root, "--log", paths.log, "run", "--keep", "--pid-file", paths.pidFile, name];
}

/** The command that runs the process described in the file in a container, and stays until it ends. */
export function execCommand(runtime: Runtime, name: string, processFile: string, paths: RunPaths): readonly string[] {
  const head = [runtime.name, "--root", paths.root, "--log", paths.log];
  const manager = runtime.name === "crun" ? ["--cgroup-manager=disabled"] : [];
  return [...head, ...manager, "exec", "--process", processFile, "--pid-file", paths.pidFile, name];
}

/** The sentences of errors in a runtime's log (crun: plain lines; runc: `level=error msg="…"`). */
export function logErrors(log: string): string {
  const sentences: string[] = [];
  for (const line of log.split("\n")) {
    const runc = /level=(\w+) msg="((?:[^"\\]|\\.)*)"/.exec(line) ?? /level=(\w+) msg=(\S+)/.exec(line);
    if (runc !== null) {
      if (runc[1] === "error" || runc[1] === "fatal") sentences.push((runc[2] ?? "").replaceAll('\\"', '"'));
    } else if (line.trim() !== "") {
      sentences.push(line.replace(/^\S+T\S+ /, "").trim());
    }
  }
  return sentences.join("; ");
}
