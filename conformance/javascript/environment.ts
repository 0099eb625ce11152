// The official JavaScript client as npm has it.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { cached } from "../cache.ts";
import { runCommand } from "../run-command.ts";

/** A directory with this version of the client in its `node_modules`. */
export const installJavaScript = (version: string): Promise<string> =>
  cached(`modal-js-${version}`, {}, async (dir) => {
    await writeFile(join(dir, "package.json"), JSON.stringify({ private: true, type: "module" }));
    const { code, output } = await runCommand("npm", ["install", "--no-audit", "--no-fund", "--ignore-scripts", `modal@${version}`], {
      cwd: dir,
      env: process.env,
    });
    if (code !== 0) throw new Error(`npm install failed:\n${output}`);
  });
