import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const PACKAGE = fileURLToPath(new URL("..", import.meta.url));

function contents(directory: string): Record<string, string> {
  const files = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return Object.fromEntries(
    files.map(({ parentPath, name }) => [join(parentPath, name).slice(directory.length), readFileSync(join(parentPath, name), "utf8")]),
  );
}

it("the generated code is that of the .proto files (npm run generate)", { timeout: 30_000 }, () => {
  const out = mkdtempSync(join(tmpdir(), "lydian-generated-"));
  try {
    const bin = join(dirname(dirname(dirname(createRequire(import.meta.url).resolve("@bufbuild/buf/package.json")))), ".bin");
    const env = { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH ?? ""}` };
    execFileSync(join(bin, "buf"), ["generate", "-o", out], { cwd: PACKAGE, env });
    expect(contents(join(out, "src/generated"))).toEqual(contents(join(PACKAGE, "src/generated")));
  } finally {
    rmSync(out, { recursive: true, force: true });
  }
});
