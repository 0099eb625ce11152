import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { OwnHome } from "../conformance/own-home.ts";
import { snippetsOf } from "./snippets.ts";

const root = join(import.meta.dirname, "..");
const home = new OwnHome();
const pages = ["README.md", ...(await readdir(join(root, "docs/guide"))).map((name) => `docs/guide/${name}`)].filter((path) =>
  path.endsWith(".md"),
);
const snippets = (await Promise.all(pages.map(async (path) => snippetsOf(path, await readFile(join(root, path), "utf8"))))).flat();

describe("every program in the documentation runs and prints what the page says", () => {
  let dir = "";
  beforeAll(async () => {
    dir = await mkdtemp(join(root, "examples", ".snippets-"));
  });
  afterAll(() => rm(dir, { recursive: true, force: true }));

  it.each(snippets.map((snippet, i) => [snippet.at, i] as const))("%s", async (_at, i) => {
    const snippet = snippets[i];
    if (!snippet) throw new Error("no snippet");
    const file = join(dir, `snippet-${i}.ts`);
    await writeFile(file, snippet.source);
    const run = await new Promise<{ code: unknown; stdout: string; stderr: string }>((resolve) => {
      execFile(join(root, "lydian"), ["run", file], { env: home.env }, (error, stdout, stderr) =>
        resolve({ code: error?.code ?? 0, stdout, stderr }),
      );
    });
    expect(run.code, run.stderr).toBe(0);
    if (snippet.prints !== undefined) expect(run.stdout).toBe(snippet.prints);
  });
});
