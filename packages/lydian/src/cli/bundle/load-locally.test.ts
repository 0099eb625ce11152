import { readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { describe, expect, it } from "vitest";
import { functionAssets } from "./function-assets.ts";
import { loadLocally } from "./load-locally.ts";
import { testProject } from "./test-project.ts";

const runDirs = () => readdirSync(tmpdir()).filter((name) => name.startsWith("lydian-run-"));

describe("loadLocally", () => {
  it("returns the apps of the entry, named, with real paths and packages from where they are installed", async () => {
    using project = testProject({
      "src/hello.ts": `import { App, isLocal } from "lydian"; import { n } from "dep"; import { m } from "./lib/inner.ts";
        export const app = new App("hello");
        export const f = app.function(async () => [isLocal(), n, m, import.meta.dirname, import.meta.filename]);
        app.localEntrypoint({}, async () => {});`,
      "src/lib/inner.ts": 'import { n } from "dep"; export const m = n;',
      "src/lib/node_modules/dep/package.json": '{"name":"dep","version":"2.0.0","main":"index.js"}',
      "src/lib/node_modules/dep/index.js": "exports.n = 2;",
      "node_modules/dep/package.json": '{"name":"dep","version":"1.0.0","main":"index.js"}',
      "node_modules/dep/index.js": "exports.n = 1;",
    });
    const before = runDirs();
    const apps = await loadLocally(project.path("src/hello.ts"));
    expect(apps.map(({ name }) => name)).toEqual(["hello"]);
    expect(apps[0]?.registered.map(({ kind, name, file }) => [kind, name, file])).toEqual([
      ["function", "f", "src/hello.ts"],
      ["entrypoint", "main", undefined],
    ]);
    const fn = apps[0]?.registered[0] as { handler: () => Promise<unknown> };
    expect(await fn.handler()).toEqual([true, 1, 2, project.path("src"), project.path("src/hello.ts")]);
    expect(runDirs()).toEqual(before);
  });

  it("loads a changed file anew", async () => {
    using one = testProject({ "src/hello.ts": 'import { App } from "lydian"; export const app = new App("one");' });
    const first = await loadLocally(one.path("src/hello.ts"));
    const second = await loadLocally(one.path("src/hello.ts"));
    expect(first).toHaveLength(1);
    expect(second).toHaveLength(1);
    expect(second[0]).not.toBe(first[0]);
  });

  it("throws what the module throws, with its place in the source", async () => {
    using project = testProject({ "src/hello.ts": '\n\n  throw new RangeError("not today");' });
    const error = await loadLocally(project.path("src/hello.ts")).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(RangeError);
    expect((error as Error).stack).toContain("src/hello.ts:3:9");
  });

  it("finds the assets of functions relative to their own files", async () => {
    using project = testProject({
      "src/hello.ts": 'import { App } from "lydian"; import "./lib/tasks.ts"; export const app = new App("hello");',
      "src/lib/tasks.ts": `import { App } from "lydian"; export const app = new App("tasks"); export const f = app.function(async () => 1);
        Object.assign(app.registered[0].options, { assets: ["./prompts/*.md"] });`,
    });
    const entry = project.path("src/hello.ts");
    expect(functionAssets(entry, await loadLocally(entry))).toEqual([project.path("src/lib/prompts/*.md")]);
  });

  it("shows what does not compile with file and line", async () => {
    using project = testProject({ "src/hello.ts": "let x = ;" });
    await expect(loadLocally(project.path("src/hello.ts"))).rejects.toThrow(/src\/hello\.ts:1:9: Unexpected ";"/);
  });
});
