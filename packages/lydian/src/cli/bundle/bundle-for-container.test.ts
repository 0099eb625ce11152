import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Bundle } from "../../run/bundle.ts";
import { bundleForContainer } from "./bundle-for-container.ts";
import { standInSdk, testProject } from "./test-project.ts";

const text = (bundle: Bundle, path = "/app/main.mjs") => Buffer.from(bundle.files.get(path)?.data ?? []).toString();

/** Puts the bundle on disk and runs `script` after importing its entry. Returns what it prints as JSON. */
function runBundle(bundle: Bundle, script: string): unknown {
  const dir = mkdtempSync(join(tmpdir(), "lydian-app-"));
  try {
    for (const [path, { data }] of bundle.files) {
      mkdirSync(dirname(join(dir, path)), { recursive: true });
      writeFileSync(join(dir, path), data);
    }
    const program = `await import(${JSON.stringify(join(dir, bundle.entry))}); const apps = globalThis[Symbol.for("lydian.apps.v1")]; ${script}`;
    return JSON.parse(execFileSync(process.execPath, ["--input-type=module", "-e", program], { encoding: "utf8" }));
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

const HELLO = `
import { App } from "lydian";
export const app = new App("hello");
export const square = app.function(async (x: number) => x * x);
`;
const NAMES = "console.log(JSON.stringify(apps.flatMap((app) => app.registered.map(({ name, file }) => [name, file]))));";

describe("bundleForContainer", () => {
  it("binds export names in every module of the graph, whatever the form of the export", async () => {
    using project = testProject({
      "src/main.ts": `import { app } from "./app.ts"; import "./more.ts"; import cube from "./cube.ts"; void cube;
        const hidden = app.function(async () => 1); export { hidden as shown };
        export const { a } = { a: app.function(async () => 2) };
        export const cast = app.function(async () => 3) as unknown; export function plain() {}`,
      "src/app.ts": `import { App } from "lydian"; export const app = new App("hello");`,
      "src/more.ts": `import { app } from "./app.ts"; export const more = app.function(async () => 4);`,
      "src/cube.ts": `import { app } from "./app.ts"; export default app.function(async () => 5);`,
    });
    const names = runBundle(await bundleForContainer(project.path("src/main.ts")), NAMES);
    expect(names).toEqual([
      ["more", "src/more.ts"],
      [null, "src/cube.ts"],
      ["shown", "src/main.ts"],
      ["a", "src/main.ts"],
      ["cast", "src/main.ts"],
    ]);
  });

  it("makes the same bundle for the same input, wherever the project lies", async () => {
    using one = testProject({ "src/hello.ts": HELLO });
    using two = testProject({ "src/hello.ts": HELLO });
    using other = testProject({ "src/hello.ts": `${HELLO}\nexport const more = app.function(async () => 1);` });
    const [a, b, c] = await Promise.all([one, two, other].map((project) => bundleForContainer(project.path("src/hello.ts"))));
    expect(a?.hash).toBe(b?.hash);
    expect(a?.hash).not.toBe(c?.hash);
    expect(text(a as Bundle)).not.toContain(one.dir);
    expect(text(a as Bundle, "/app/main.mjs.map")).not.toContain(one.dir);
  });

  it("maps positions to line and column of the source, relative to the project", async () => {
    using project = testProject({
      "src/hello.ts": `import { App, isLocal } from "lydian";\nexport const app = new App(import.meta.url); if (isLocal()) { throw new Error("local"); }\nexport const f = app.function(async () => {\n  /* here */ throw new RangeError("x");\n});`,
    });
    const bundle = await bundleForContainer(project.path("src/hello.ts"));
    const stack = runBundle(
      bundle,
      `process.setSourceMapsEnabled(true); const error = await apps[0].registered[0].handler().catch((e) => e);
       const [, line, column] = /main\\.mjs:(\\d+):(\\d+)/.exec(error.stack);
       const { SourceMap } = await import("node:module"); const { readFileSync } = await import("node:fs");
       const map = new SourceMap(JSON.parse(readFileSync(/file:\\/\\/(\\S+main\\.mjs)/.exec(error.stack)[1] + ".map", "utf8")));
       const { originalSource, originalLine, originalColumn } = map.findEntry(line - 1, column - 1);
       console.log(JSON.stringify([originalSource, originalLine + 1, originalColumn + 1, apps[0].name]));`,
    );
    expect(stack).toEqual(["src/hello.ts", 4, 20, "file:///app/src/src/hello.ts"]);
  });

  it("leaves entrypoints, and what only they import, out", async () => {
    using project = testProject({
      "src/hello.ts": `import { schema } from "flags";\n${HELLO}\napp.localEntrypoint({ args: schema }, async () => {});`,
      "node_modules/flags/package.json": '{"name":"flags","version":"1.0.0","type":"module","main":"./index.js","sideEffects":false}',
      "node_modules/flags/index.js": 'export const schema = "a very large schema library";',
    });
    const bundle = await bundleForContainer(project.path("src/hello.ts"));
    expect(text(bundle)).not.toContain("very large");
    expect(runBundle(bundle, NAMES)).toEqual([["square", "src/hello.ts"]]);
  });

  it("folds what is only local: isLocal() and LYDIAN_IS_REMOTE", async () => {
    using project = testProject({
      "src/hello.ts": `import { App, isLocal } from "lydian"; export const app = new App("x");
        if (isLocal()) console.log("LOCAL-A"); if (!process.env.LYDIAN_IS_REMOTE) console.log("LOCAL-B"); if (!process.env["LYDIAN_IS_REMOTE"]) console.log("LOCAL-C");`,
    });
    expect(text(await bundleForContainer(project.path("src/hello.ts")))).not.toMatch(/LOCAL-/);
  });

  it("leaves native packages to the image, with the version that is installed here", async () => {
    using project = testProject({
      "src/hello.ts": `import addon from "addon"; import { pure } from "pure"; import "unused-native"; import named from "named/sub";\n${HELLO}\nexport const g = app.function(async () => [addon, pure, named, await import("not-here")]);`,
      "node_modules/addon/package.json":
        '{"name":"addon","version":"1.2.3","main":"index.js","optionalDependencies":{"@addon/linux-x64-gnu":"1.2.3"}}',
      "node_modules/addon/index.js": "throw new Error('never bundled')",
      "node_modules/pure/package.json": '{"name":"pure","version":"2.0.0","main":"index.js","type":"module"}',
      "node_modules/pure/index.js": 'export * from "inner-native"; export const pure = "BUNDLED";',
      "node_modules/inner-native/package.json":
        '{"name":"inner-native","version":"4.5.6","main":"index.js","dependencies":{"node-gyp-build":"^4"}}',
      "node_modules/inner-native/index.js": "",
      "node_modules/named/package.json": '{"name":"named","version":"7.0.0"}',
      "node_modules/named/sub.js": "export default 1;",
      "node_modules/unused-native/package.json": '{"name":"unused-native","version":"9.0.0","gypfile":true}',
      "node_modules/unused-native/index.js": "",
    });
    const bundle = await bundleForContainer(project.path("src/hello.ts"), { external: ["named"] });
    expect(bundle.nativePackages).toEqual({ addon: "1.2.3", "inner-native": "4.5.6", named: "7.0.0", "unused-native": "9.0.0" });
    expect(text(bundle)).toContain("BUNDLED");
    expect(bundle.warnings.join()).toContain("not-here is not installed here");
  });

  it("keeps places: import.meta under /app/src, and assets beside the code", async () => {
    using project = testProject({
      "src/hello.ts": `${HELLO}\nexport const g = app.function(async () => [import.meta.dirname, import.meta.filename]);`,
      "src/prompts/deep/a.md": "A",
      "src/prompts/b.md": "B",
    });
    const bundle = await bundleForContainer(project.path("src/hello.ts"), { assets: ["./prompts/**"] });
    expect(text(bundle, "/app/src/src/prompts/deep/a.md")).toBe("A");
    expect(text(bundle, "/app/src/src/prompts/b.md")).toBe("B");
    const answer = runBundle(bundle, "console.log(JSON.stringify(await apps[0].registered[1].handler()));");
    expect(answer).toEqual(["/app/src/src", "/app/src/src/hello.ts"]);
    await expect(bundleForContainer(project.path("src/hello.ts"), { assets: ["./nothing/*.txt"] })).rejects.toThrow(
      'no file matches the asset "./nothing/*.txt"',
    );
    await expect(bundleForContainer(project.path("src/hello.ts"), { assets: ["/etc/hostname"] })).rejects.toThrow("outside the project");
  });

  it("takes text and JSON by attribute, dynamic imports, CommonJS with require and __dirname, and tsconfig paths", async () => {
    using project = testProject({
      "tsconfig.json": '{"compilerOptions":{"paths":{"@lib/*":["./lib/*"]}}}',
      "src/hello.ts": `import prompt from "./prompt.md" with { type: "text" }; import data from "./data.json" with { type: "json" };
        import legacy from "legacy"; import { twice } from "@lib/twice"; import { App } from "lydian"; import { createRequire } from "node:module";
        const require = createRequire(import.meta.url); const __dirname = "mine";
        export const app = new App("x"); export const f = app.function(async (n: string) => {
          const { plugin } = await import("./plugins/one.ts"); const { name } = await import(\`./plugins/\${n}.ts\`);
          return [prompt, data.n, legacy, twice(2), plugin, name, typeof require, __dirname]; });`,
      "src/prompt.md": "be brief",
      "src/data.json": '{"n":3}',
      "src/plugins/one.ts": 'export const plugin: string = "one"; export const name = "1";',
      "src/plugins/two.ts": 'export const name = "2";',
      "lib/twice.ts": "export const twice = (n: number) => n * 2;",
      "node_modules/legacy/package.json": '{"name":"legacy","version":"1.0.0"}',
      "node_modules/legacy/index.js": 'const path = require("path"); module.exports = [path.sep, typeof __dirname, typeof __filename];',
    });
    const bundle = await bundleForContainer(project.path("src/hello.ts"));
    const answer = runBundle(bundle, 'console.log(JSON.stringify(await apps[0].registered[0].handler("two")));');
    expect(answer).toEqual(["be brief", 3, ["/", "string", "string"], 4, "one", "2", "function", "mine"]);
    expect([...bundle.files.keys()].every((path) => path.startsWith("/app/"))).toBe(true);
  });

  it("prefers what a package offers for containers", async () => {
    using project = testProject({
      "package.json": '{"name":"project","type":"module","imports":{"#store":{"lydian":"./remote.ts","default":"./local.ts"}}}',
      "src/hello.ts": `import { where } from "#store"; ${HELLO} console.error(where);`,
      "remote.ts": 'export const where = "REMOTE";',
      "local.ts": 'export const where = "HERE";',
    });
    const code = text(await bundleForContainer(project.path("src/hello.ts")));
    expect(code).toContain("REMOTE");
    expect(code).not.toContain("HERE");
  });

  it("lowers syntax that the oldest Node of an image does not know, decorators and using included", async () => {
    using project = testProject({
      "src/hello.ts": `${HELLO} const log = (v: unknown, _c: unknown) => v as never; class A { @log m() {} [Symbol.dispose]() {} } export const g = app.function(async () => { using a = new A(); return a.m(); });`,
    });
    const code = text(await bundleForContainer(project.path("src/hello.ts")));
    expect(code).not.toMatch(/@log|using a/);
  });

  it("bundles two copies of lydian, each for who imports it, into one registry", async () => {
    using project = testProject({
      "src/hello.ts": `import { id } from "lydian"; import { shared, otherId } from "team-tasks"; ${HELLO} export { shared }; console.error(id, otherId);`,
      "node_modules/team-tasks/package.json": '{"name":"team-tasks","version":"1.0.0","type":"module","main":"index.js"}',
      "node_modules/team-tasks/index.js":
        'import { App, id } from "lydian"; export const otherId = id; export const team = new App("team"); export const shared = team.function(async () => 1);',
      "node_modules/team-tasks/node_modules/lydian/package.json":
        '{"name":"lydian","version":"0.9.0","type":"module","exports":"./index.js","sideEffects":false}',
      "node_modules/team-tasks/node_modules/lydian/index.js": standInSdk("second copy"),
    });
    const bundle = await bundleForContainer(project.path("src/hello.ts"));
    expect(text(bundle)).toContain("second copy");
    expect(text(bundle)).toContain("installed");
    expect(runBundle(bundle, "console.log(JSON.stringify(apps.map(({ name }) => name).sort()));")).toEqual(["hello", "team"]);
  });

  it("shows what does not compile with file, line and text", async () => {
    using project = testProject({
      "src/hello.ts": `${HELLO}\nexport const broken = (;\n`,
      "src/missing.ts": 'import x from "no-such-package";\nx();',
    });
    await expect(bundleForContainer(project.path("src/hello.ts"))).rejects.toThrow(
      /src\/hello\.ts:6:24: .*\n {2}export const broken = \(;\n {2} +\^/,
    );
    await expect(bundleForContainer(project.path("src/missing.ts"))).rejects.toMatchObject({
      code: "invalid_argument",
      hint: "Not installed here: npm install no-such-package",
    });
  });
});
