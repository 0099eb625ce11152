import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { expect, it, onTestFinished } from "vitest";
import { openDatabase } from "./database.ts";

const ROOT = join(import.meta.dirname, "../../../..");

it("loses nothing that was acknowledged when the process is killed", { timeout: 30_000 }, async () => {
  const directory = mkdtempSync(join(tmpdir(), "ly-crash-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const program = join(directory, "child.cjs");
  await build({
    entryPoints: [fileURLToPath(new URL("./crash-child.ts", import.meta.url))],
    outfile: program,
    bundle: true,
    platform: "node",
    format: "cjs",
    conditions: ["lydian-source"],
    external: ["libsql"],
    loader: { ".sql": "text" },
    logLevel: "silent",
  });
  const path = join(directory, "test.db");
  const acknowledged = new Set<number>();
  for (let round = 1; round <= 3; round++) {
    const child = spawn(process.execPath, [program, path], {
      env: { ...process.env, NODE_PATH: [join(ROOT, "node_modules"), process.env.NODE_PATH ?? ""].join(delimiter) },
      stdio: ["ignore", "pipe", "inherit"],
    });
    const ended = new Promise((resolve) => child.once("close", resolve));
    const before = acknowledged.size;
    for await (const line of createInterface(child.stdout)) {
      acknowledged.add(Number(line));
      if (acknowledged.size === before + 200) child.kill("SIGKILL");
    }
    await ended;
    const database = openDatabase({
      path,
      migrations: [{ version: 1, name: "0001-numbers", sql: "" }],
    });
    const stored = new Set(
      database
        .prepare("SELECT n FROM numbers")
        .all<{ n: number }>()
        .map(({ n }) => n),
    );
    expect([...acknowledged].filter((n) => !stored.has(n))).toEqual([]);
    // The next process goes on in an empty table: its numbers begin again.
    database.transaction(() => database.prepare("DELETE FROM numbers").run());
    acknowledged.clear();
    database.close();
  }
});
