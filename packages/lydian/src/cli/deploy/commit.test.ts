import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { commitOf } from "./commit.ts";

let dir = "";
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "ly-commit-"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const git = (...args: string[]) =>
  execFileSync("git", ["-c", "user.name=A", "-c", "user.email=a@b", ...args], { cwd: dir, encoding: "utf8", stdio: "pipe" }).trim();

it("is the commit of the directory, and whether it has changes since", async () => {
  git("init", "--quiet", "--initial-branch", "work/a");
  writeFileSync(join(dir, "a.ts"), "1");
  expect(await commitOf(dir)).toBeUndefined();
  git("add", ".");
  git("commit", "--quiet", "-m", "first");
  const commitHash = git("rev-parse", "HEAD");
  expect(await commitOf(dir)).toMatchObject({
    vcs: "git",
    branch: "work/a",
    commitHash,
    dirty: false,
    authorName: "A",
    authorEmail: "a@b",
  });
  writeFileSync(join(dir, "new.ts"), "untracked");
  expect((await commitOf(dir))?.dirty).toBe(false);
  writeFileSync(join(dir, "a.ts"), "2");
  expect((await commitOf(dir))?.dirty).toBe(true);
  git("checkout", "--quiet", "--detach");
  expect((await commitOf(dir))?.branch).toBe("");
});

it("is nothing outside of a repository", async () => {
  expect(await commitOf(dir)).toBeUndefined();
});
