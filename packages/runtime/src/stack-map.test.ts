import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as esbuild from "esbuild";
import { afterAll, describe, expect, it } from "vitest";
import { StackMapper } from "./stack-map.ts";

const dir = mkdtempSync(join(tmpdir(), "lydian-stack-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

describe("StackMapper", () => {
  it("maps every form of line, drops the runtime's and Node's own, and keeps the rest", async () => {
    const { code, map } = await esbuild.transform("\n\nconst a = 1;\n  throw new Error(a);", {
      sourcemap: true,
      sourcefile: "src/a.ts",
      minify: true,
    });
    writeFileSync(join(dir, "main.mjs"), code);
    writeFileSync(join(dir, "main.mjs.map"), map);
    const column = code.indexOf("throw") + 1;
    const mapper = new StackMapper("/run/runtime.mjs");
    const stack = mapper.map(
      [
        "Error: x (file:///not/a/place)",
        `    at file://${dir}/main.mjs:1:${column}`,
        `    at async Thing.run [as go] (file://${dir}/main.mjs:1:${column})`,
        `    at async ${dir}/main.mjs:1:${column}`,
        "    at runInput (file:///run/runtime.mjs:1:1)",
        "    at process.processTicksAndRejections (node:internal/process/task_queues:95:5)",
        "    at async Promise.all (index 0)",
        "    at other (file:///elsewhere/b.mjs:3:4)",
      ].join("\n"),
    );
    expect(stack.split("\n")).toEqual([
      "Error: x (file:///not/a/place)",
      "    at src/a.ts:4:3",
      "    at async Thing.run [as go] (src/a.ts:4:3)",
      "    at async src/a.ts:4:3",
      "    at async Promise.all (index 0)",
      "    at other (file:///elsewhere/b.mjs:3:4)",
    ]);
    expect(mapper.map(stack)).toBe(stack);
    expect(mapper.frameOf(stack)).toBe("  2 |\n  3 | const a = 1;\n> 4 |   throw new Error(a);");
  });
});
