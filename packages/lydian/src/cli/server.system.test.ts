import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { connect, Lydian } from "@lydian/protocol";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CLI_FILE } from "./dist-files.ts";

let data: string;
let running: ChildProcess[] = [];
beforeEach(() => {
  data = mkdtempSync(join(tmpdir(), "ly-server-"));
});
afterEach(async () => {
  await Promise.all(running.map(terminate));
  running = [];
  rmSync(data, { recursive: true, force: true, maxRetries: 3 });
});

/** Starts `lydian server` and resolves with its first line, or with the exit code when it ends before. */
async function serve(...args: string[]): Promise<{ line?: string; code?: number | null; child: ChildProcess; errors: () => string }> {
  const child = spawn(process.execPath, [CLI_FILE, "server", "--data", data, "--container-host", "process", ...args], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  running.push(child);
  let text = "";
  child.stderr.on("data", (chunk: Buffer) => {
    text += chunk.toString();
  });
  const outcome = await new Promise<{ line?: string; code?: number | null }>((resolve) => {
    createInterface(child.stdout).once("line", (line) => resolve({ line }));
    child.once("exit", (code) => resolve({ code }));
  });
  return { ...outcome, child, errors: () => text };
}

function exit(child: ChildProcess): Promise<number | null> {
  return child.exitCode !== null || child.signalCode !== null
    ? Promise.resolve(child.exitCode)
    : new Promise((resolve) => child.once("exit", resolve));
}

async function terminate(child: ChildProcess): Promise<number | null> {
  const ended = exit(child);
  child.kill("SIGTERM");
  return ended;
}

function token(): Record<string, string> {
  const { tokenId, tokenSecret } = JSON.parse(readFileSync(join(data, "local-token.json"), "utf8")) as Record<string, string>;
  return { "x-modal-token-id": tokenId ?? "", "x-modal-token-secret": tokenSecret ?? "" };
}

describe("lydian server", () => {
  it("says in one line that it is ready, and stops cleanly", async () => {
    const { line, child } = await serve("--port", "0");
    expect(line).toMatch(/^lydian server ready at http:\/\/127\.0\.0\.1:\d+ \(data \S+, pid \d+\)$/);
    expect(await terminate(child)).toBe(0);
  });

  it("listens on its socket only when no port is named", async () => {
    const { line } = await serve();
    expect(line).toContain(`ready at unix://${join(data, "api.sock")}`);
  });

  it("refuses a data directory that is in use and a port that is taken", async () => {
    const first = await serve("--port", "0");
    const second = await serve();
    expect(second.code).toBe(2);
    expect(second.errors()).toContain(`(pid ${first.child.pid}) already uses ${data}`);
    const port = /:(\d+) /.exec(first.line ?? "")?.[1] ?? "";
    const other = mkdtempSync(join(tmpdir(), "ly-server-"));
    try {
      const third = await serve("--port", port, "--data", other);
      expect(third.code).toBe(2);
      expect(third.errors()).toContain(`cannot listen on 127.0.0.1:${port}`);
    } finally {
      rmSync(other, { recursive: true, force: true });
    }
  });

  it("comes back after a crash, and callers that connect meanwhile are answered", async () => {
    const { line, child, errors } = await serve("--port", "0");
    const url = /http:\S+/.exec(line ?? "")?.[0] ?? "";
    const connection = connect({ url, headers: token() });
    const lydian = connection.service(Lydian);
    const before = await lydian.serverInfo({});
    const pid = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, "utf8").trim().split(" ").map(Number)[0];
    if (!pid) throw new Error("the server has no process of its own");
    process.kill(pid, "SIGKILL");
    // One attempt: the socket accepted it although no server was there.
    await connection.close();
    const fresh = connect({ url, headers: token() });
    const after = await fresh.service(Lydian).serverInfo({}, { retry: false, timeoutMs: 30_000 });
    expect(after.startedAt).toBeGreaterThan(before.startedAt);
    await fresh.close();
    expect(errors()).toContain("the server ended unexpectedly (SIGKILL); starting it again");
    expect(await terminate(child)).toBe(0);
  });

  it("ends by itself when it is idle, if told to", async () => {
    const { child } = await serve("--idle-exit", "300ms");
    expect(await exit(child)).toBe(0);
  });
});
