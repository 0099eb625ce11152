// The state of the user's source tree, for the history of deployments.
import { execFile } from "node:child_process";
import type { CommitInfoSchema, MessageInitShape } from "@lydian/protocol";

const LIMIT_MS = 2_000;

/** Undefined where there is no git, no repository or no commit, or git is slow: a deployment does not wait for it. */
export async function commitOf(directory: string): Promise<MessageInitShape<typeof CommitInfoSchema> | undefined> {
  try {
    const [head, status] = await Promise.all([
      git(directory, "log", "-1", "--format=%H%n%ct%n%an%n%ae"),
      git(directory, "status", "--porcelain", "--branch", "--untracked-files=no"),
    ]);
    const [commitHash = "", time = "0", authorName = "", authorEmail = ""] = head.split("\n");
    const [branchLine = "", ...changes] = status.trimEnd().split("\n");
    const branch = /^## (?:No commits yet on )?(.+?)(?:\.\.\.|$)/.exec(branchLine)?.[1] ?? "";
    const isDetached = branch.startsWith("HEAD (");
    return {
      vcs: "git",
      branch: isDetached ? "" : branch,
      commitHash,
      commitTimestamp: BigInt(time),
      dirty: changes.length > 0,
      authorName,
      authorEmail,
    };
  } catch {
    return undefined;
  }
}

function git(cwd: string, ...args: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile("git", ["--no-optional-locks", ...args], { cwd, timeout: LIMIT_MS, maxBuffer: 1 << 20 }, (error, stdout) =>
      error ? reject(error) : resolve(stdout),
    );
  });
}
