// Sandboxes of a Lydian server, through our own SDK over the wire, from this process.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Sandbox } from "lydian";
import type { LydianBench } from "./lydian.ts";
import type { SandboxTarget } from "./sandbox-load.ts";

export interface LydianSandboxes extends SandboxTarget {
  handle(id: string): Sandbox;
}

export function lydianSandboxes(bench: LydianBench): LydianSandboxes {
  const { tokenId, tokenSecret } = JSON.parse(readFileSync(join(bench.dataDir, "local-token.json"), "utf8")) as Record<string, string>;
  Object.assign(process.env, {
    LYDIAN_SERVER_URL: `unix://${join(bench.dataDir, "api.sock")}`,
    LYDIAN_TOKEN_ID: tokenId,
    LYDIAN_TOKEN_SECRET: tokenSecret,
  });
  const handles = new Map<string, Sandbox>();
  const handle = (id: string): Sandbox => {
    const found = handles.get(id);
    if (found === undefined) throw new Error(`no sandbox ${id}`);
    return found;
  };
  return {
    name: "Lydian",
    handle,
    async create() {
      const sandbox = await Sandbox.create({ app: "bench-sandboxes", timeout: "1h" });
      handles.set(sandbox.id, sandbox);
      return sandbox.id;
    },
    async exec(id, command) {
      const process = handle(id).exec(command);
      for await (const _ of process.stdout) return;
    },
    async remove(id) {
      await handle(id).terminate({ wait: true });
      handles.delete(id);
    },
  };
}
