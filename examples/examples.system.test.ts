import { execFile } from "node:child_process";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { OwnHome } from "../conformance/own-home.ts";

const root = join(import.meta.dirname, "..");
const home = new OwnHome();

function run(...args: string[]): Promise<{ code: unknown; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(join(root, "lydian"), ["run", ...args], { env: home.env }, (error, stdout, stderr) =>
      resolve({ code: error?.code ?? 0, stdout, stderr }),
    );
  });
}

describe("the examples", () => {
  it("hello: a call, a map, a generator, an error and a spawn", async () => {
    const { code, stdout, stderr } = await run("examples/hello.ts", "--count", "4");
    expect(code, stderr).toBe(0);
    const lines = stdout.split("\n").filter((line) => !line.includes("squaring"));
    expect(lines).toEqual([
      "one: 49",
      "sum of squares: 14",
      "T minus 3",
      "T minus 2",
      "T minus 1",
      "failed as it should: no such id: 42",
      "spawned fc- -> 144",
      "",
    ]);
    expect(stdout).toContain("squaring 12");
  });

  it("images: Debian packages, native npm packages, local files and settings", async () => {
    const { code, stdout, stderr } = await run("examples/images.ts");
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(/^names: Mercury, Venus, Earth, Mars\nfingerprint: local:[0-9a-f]{12,16}\n$/);
  });

  it("failures: retries, refusals, timeouts and cancellation", async () => {
    const { code, stdout, stderr } = await run("examples/failures.ts");
    expect(code, stderr).toBe(0);
    expect(stdout).toBe(
      [
        "upload worked at attempt 3",
        "attempt 1: 30 is fine",
        "refused: age must not be negative, got -1",
        "timed out: true",
        "cancelled: yes",
        "",
      ].join("\n"),
    );
  });

  it("classes: state, parameters, hooks, batches and other options", async () => {
    const { code, stdout, stderr } = await run("examples/classes.ts");
    expect(code, stderr).toBe(0);
    expect(stdout).toBe(["3 7 40", "two opened", "two is at 40", "hello world", "39 true", "[ 11, 22, 33 ]", "5", ""].join("\n"));
    expect(stderr).toContain("two closed at 40");
  });

  it("streaming: an endless source and functions that call functions", async () => {
    const { code, stdout, stderr } = await run("examples/streaming.ts", "--limit", "150");
    expect(code, stderr).toBe(0);
    expect(stdout).toBe(["first result has parity: true", "took 150 results of an endless stream", "even among 10: 5", ""].join("\n"));
  });

  it("agent: code that is tried in a sandbox, ended when it hangs, and kept in snapshots", async () => {
    const { code, stdout, stderr } = await run("examples/agent.ts");
    expect(code, stderr).toBe(0);
    expect(stdout).toBe(
      [
        "attempt 1",
        "  | ok   hello-world",
        '  | FAIL {"title":"  Trim me ","got":"--trim-me-","wanted":"trim-me"}',
        '  | FAIL {"title":"Crème Brûlée","got":"crème-brûlée","wanted":"creme-brulee"}',
        "attempt 2",
        "  | took longer than 2 s",
        "attempt 3",
        "  | ok   hello-world",
        "  | ok   trim-me",
        "  | ok   creme-brulee",
        "repaired at attempt 3",
        "files: slug.mjs (123 bytes), test.mjs (419 bytes)",
        "reaches the network: false",
        "failures of the first attempt: 2",
        "",
      ].join("\n"),
    );
  });

  it("tunnels: a sandbox's port with and without TLS, and with a token", async () => {
    const { code, stdout, stderr } = await run("examples/tunnels.ts");
    expect(code, stderr).toBe(0);
    expect(stdout).toBe(
      [
        "without TLS: hello, stranger",
        "with TLS: hello, stranger",
        "with a token: hello, Ada",
        "without: This address needs a token",
        "",
      ].join("\n"),
    );
  });
});
