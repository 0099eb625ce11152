import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { lockDataDir } from "./data-dir-lock.ts";

let dataDir: string;
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), "ly-lock-"));
});
afterEach(() => rmSync(dataDir, { recursive: true }));

describe("the lock of a data directory", () => {
  it("keeps a second server out, and says which process has it", () => {
    const release = lockDataDir(dataDir);
    expect(() => lockDataDir(dataDir)).toThrow(`Another server (pid ${process.pid}) uses the data directory ${dataDir}.`);
    release();
    lockDataDir(dataDir)();
  });

  it("is free again when its holder was killed, whatever file it left", () => {
    const holds = `const lock = new (require("libsql"))(process.argv[1]); lock.exec("BEGIN EXCLUSIVE"); process.kill(process.pid, "SIGKILL");`;
    const child = spawnSync(process.execPath, ["-e", holds, join(dataDir, "lock.db")], { encoding: "utf8" });
    expect(child.signal).toBe("SIGKILL");
    // The pid in it may belong to anybody by now: here, to this very process.
    writeFileSync(join(dataDir, "server.lock"), JSON.stringify({ pid: process.pid }));
    const release = lockDataDir(dataDir);
    expect(JSON.parse(readFileSync(join(dataDir, "server.lock"), "utf8"))).toEqual({ pid: process.pid });
    release();
  });
});
