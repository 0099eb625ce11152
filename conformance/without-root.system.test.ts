import { rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { directory, runWithoutRoot, whyNotWithoutRoot } from "./without-root.ts";

const repository = join(import.meta.dirname, "..");
const skip = whyNotWithoutRoot(repository);
if (skip !== undefined) console.warn(`The tests without root are skipped: ${skip}`);

describe.skipIf(skip !== undefined)("without root", () => {
  let dir = "";
  beforeAll(() => {
    dir = directory();
  });
  afterAll(() => rm(dir, { recursive: true, force: true, maxRetries: 3 }));

  it("the oci host holds its contract, limits apart", async () => {
    const vitest = join(repository, "node_modules/vitest/vitest.mjs");
    const args = ["run", "--project", "system", "--configLoader", "runner", "--root", repository, "packages/containers/src/oci"];
    const { code, output } = await runWithoutRoot(dir, [process.execPath, vitest, ...args], { NO_COLOR: "1" });
    expect(code, output).toBe(0);
    expect(output).toMatch(/Tests {2}\d\d passed/);
    expect(output).not.toContain("failed");
  });

  it("a program runs on containers, from the making of the image to the last result", async () => {
    const cli = join(repository, "packages/lydian/dist/cli.js");
    const lydian = (...args: string[]) => `${process.execPath} ${cli} ${args.join(" ")}`;
    const script = `${lydian("run", join(repository, "examples/hello.ts"), "--count", "4")} && ${lydian("doctor")}; true`;
    const { output } = await runWithoutRoot(dir, ["sh", "-c", script], { LYDIAN_HOME: join(dir, "home") });
    expect(output).toContain("sum of squares: 14");
    expect(output).toMatch(/spawned fc- -> 144/);
    expect(output).toMatch(/containers by crun \S+ without root/);
  });
});
