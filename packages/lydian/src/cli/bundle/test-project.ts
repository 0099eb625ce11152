// Small projects on disk for the bundler's tests, with a stand-in for the SDK where a test does not need the real one.
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

/** Registers as the SDK does, with the shapes of runtime-contract.ts. `id` tells copies apart. */
export function standInSdk(id: string): string {
  return `
const apps = (globalThis[Symbol.for("lydian.apps.v1")] ??= []);
export const id = ${JSON.stringify(id)};
export const isLocal = () => !process.env.LYDIAN_IS_REMOTE;
export class App {
  registered = [];
  constructor(name) { this.name = name; apps.push(this); }
  function(handler) {
    const handle = { local: handler };
    this.registered.push({ kind: "function", name: undefined, file: undefined, options: {}, handler, isGenerator: false, handle });
    return handle;
  }
  localEntrypoint(options, main) { this.registered.push({ kind: "entrypoint", name: "main", file: undefined, options, handler: main, handle: main }); }
}
export function bindExports(file, exports) {
  for (const app of apps) for (const item of app.registered) {
    for (const [name, value] of Object.entries(exports)) if (value === item.handle) Object.assign(item, { file, name: name === "default" ? item.name : name });
  }
}
`;
}

export interface TestProject extends Disposable {
  readonly dir: string;
  path(name: string): string;
}

/** Files by relative path. A package.json and a lock file are added, and the SDK's stand-in unless `lydian` is false. */
export function testProject(files: Readonly<Record<string, string>>, { lydian = true } = {}): TestProject {
  const dir = realpathSync(mkdtempSync(join(tmpdir(), "lydian-bundle-")));
  const all: Record<string, string> = { "package.json": '{"name":"project","type":"module"}', "package-lock.json": "{}", ...files };
  if (lydian) {
    all["node_modules/lydian/package.json"] ??=
      '{"name":"lydian","version":"1.0.0","type":"module","exports":"./index.js","sideEffects":false}';
    all["node_modules/lydian/index.js"] ??= standInSdk("installed");
  }
  for (const [name, content] of Object.entries(all)) {
    mkdirSync(dirname(join(dir, name)), { recursive: true });
    writeFileSync(join(dir, name), content);
  }
  return {
    dir,
    path: (name) => join(dir, name),
    [Symbol.dispose]: () => rmSync(dir, { recursive: true, force: true }),
  };
}
