import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { cli, startServer } from "./server-process.ts";

let dataDir = "";
beforeAll(async () => {
  dataDir = await mkdtemp("/var/tmp/lydian-secrets-");
});
afterAll(() => rm(dataDir, { recursive: true, force: true, maxRetries: 3 }));

/** Files of the server that hold the text; layers of images, which are large, cannot. */
async function filesWith(text: string): Promise<string[]> {
  const entries = await readdir(dataDir, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile() && !entry.parentPath.startsWith(join(dataDir, "layers")));
  const found = files.map(async (entry) => {
    const path = join(entry.parentPath, entry.name);
    const bytes = await readFile(path).catch(() => Buffer.alloc(0));
    return bytes.includes(text) ? [path] : [];
  });
  return (await Promise.all(found)).flat();
}

it("a secret reaches the function and stands in no file, and whoever lacks it is told before anything is built; programs manage those with names", async () => {
  const server = await startServer(dataDir);
  const lydian = (...args: string[]) =>
    new Promise<{ stdout: string; stderr: string }>((resolve) => {
      execFile(process.execPath, [cli, ...args], { env: server.env }, (_error, stdout, stderr) => resolve({ stdout, stderr }));
    });
  const program = join(import.meta.dirname, "apps/secrets.ts");

  const without = await lydian("run", program);
  expect(without.stderr).toContain("Secret 'conformance' not found");
  expect(without.stderr).not.toContain("Step 1");

  const value = randomBytes(24).toString("hex");
  expect((await lydian("secret", "create", "conformance", `NAMED=${value}`)).stdout).toBe("conformance has NAMED\n");
  const { stdout, stderr } = await lydian("run", program);
  expect(stdout, stderr).toBe(`${JSON.stringify([value.length, "of the function", value.length])}\n`);
  expect(stderr).not.toContain(value);
  expect(await filesWith(value)).toEqual([]);

  const managed = await lydian("run", join(import.meta.dirname, "apps/manage-secrets.ts"));
  expect(JSON.parse(managed.stdout), managed.stderr).toEqual({
    refused: 'The secret "managed" exists already.',
    info: { name: "managed", keys: ["B", "E"], environment: "main" },
    isRecent: true,
    listed: [
      ["later", ["G"]],
      ["managed", ["B", "E"]],
    ],
    isGone: true,
  });

  // The search finds what is there.
  expect(await filesWith("conformance")).not.toEqual([]);
  expect(await server.stop()).toBe(0);
  expect(await filesWith(value)).toEqual([]);
});
