import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { TestServer } from "./python/clients.ts";
import { RunningCommand } from "./run-command.ts";
import { cli } from "./server-process.ts";

const server = new TestServer();

const program = (version: string) => `
import { App, isLocal } from "lydian";
export const app = new App("served");
export const f = app.function({ minContainers: 1 }, async () => 0);
console.log(isLocal() ? "here" : "there", ${version});
`;

describe("lydian serve", () => {
  it("replaces the app when its file changes, keeps it when the file does not compile, and ends by Ctrl-C", async () => {
    // Beside the other programs: there the package is found.
    const dir = await mkdtemp(join(import.meta.dirname, "apps/.served-"));
    const file = join(dir, "served.ts");
    await writeFile(file, program('"one"'));
    const serving = new RunningCommand(process.execPath, [cli, "serve", file], { env: server.env({}) });
    try {
      await serving.printed("there one");
      await writeFile(file, program('"two"'));
      await serving.printed(/replaced after[\s\S]*there two|there two[\s\S]*replaced after/);
      await writeFile(file, program('"three'));
      await serving.printed(/Unterminated string literal[\s\S]*the version before is still served/);
      await writeFile(file, program('"four"'));
      await serving.printed("there four");
      serving.process.kill("SIGINT");
      const { code, output } = await serving.ended;
      expect({ code, three: output.includes("there three") }, output).toEqual({ code: 0, three: false });
    } finally {
      serving.process.kill("SIGKILL");
      await rm(dir, { recursive: true, force: true });
    }
  });
});
