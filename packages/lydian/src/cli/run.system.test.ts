import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CLI_FILE } from "./dist-files.ts";

const fixtures = join(import.meta.dirname, "../../test/fixtures");
const fixture = (name: string) => join(fixtures, name);

let home: string;
let env: NodeJS.ProcessEnv;

beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), "ly-cli-"));
  env = { PATH: process.env.PATH, HOME: home, LYDIAN_HOME: home, LYDIAN_IDLE_EXIT: "20s" };
});

afterAll(async () => {
  const record = serverRecord();
  if (record) await stopped(record.pid);
  rmSync(home, { recursive: true, force: true, maxRetries: 3 });
});

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function start(...args: string[]): ChildProcess {
  return spawn(process.execPath, [CLI_FILE, ...args], { env, stdio: ["ignore", "pipe", "pipe"] });
}

function collect(child: ChildProcess): Promise<Ended> {
  let stdout = "";
  let stderr = "";
  child.stdout?.on("data", (chunk: Buffer) => {
    stdout += chunk.toString();
  });
  child.stderr?.on("data", (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  return new Promise((resolve) => child.once("close", (code) => resolve({ code, stdout, stderr })));
}

const lydian = (...args: string[]) => collect(start(...args));

function serverRecord(): { pid: number; url: string } | undefined {
  const file = join(home, "data/server.json");
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as { pid: number; url: string }) : undefined;
}

/** SIGTERM, and its end. Not a child of ours: asked with signal 0. */
async function stopped(pid: number): Promise<void> {
  try {
    process.kill(pid, "SIGTERM");
    for (;;) {
      process.kill(pid, 0);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  } catch {
    // Gone.
  }
}

describe("lydian run", () => {
  it("starts the embedded server, runs the entrypoint with its flags and prints what was printed", async () => {
    const { code, stdout, stderr } = await lydian("run", fixture("sums.ts"), "--count", "4");
    expect(code, stderr).toBe(0);
    const lines = stdout.trim().split("\n");
    expect(lines.filter((line) => line.startsWith("squaring")).sort()).toEqual(["squaring 0", "squaring 1", "squaring 2", "squaring 3"]);
    // Log lines of containers come by another way: the last of them may arrive after it.
    expect(lines).toContain("sum 14");
    expect(stderr).toContain("lydian: starting the embedded server");
    expect(stderr).not.toMatch(/^(?!lydian: ).+/m);
    expect(statSync(join(home, "data")).mode & 0o077).toBe(0);
  });

  it("finds the embedded server again", async () => {
    const before = serverRecord()?.pid;
    const { code, stderr } = await lydian("run", fixture("sums.ts"), "--count", "1");
    expect(code, stderr).toBe(0);
    expect(stderr).not.toContain("starting the embedded server");
    expect(serverRecord()?.pid).toBe(before);
  });

  it("calls a function with JSON arguments, and prints each value of a generator", async () => {
    expect(await lydian("run", "--quiet", `${fixture("sums.ts")}::square`, "7")).toEqual({
      code: 0,
      stdout: "squaring 7\n49\n",
      stderr: "",
    });
    expect(await lydian("run", "-q", fixture("counting.ts"), "3")).toEqual({ code: 0, stdout: "1\n2\n3\n", stderr: "" });
  });

  it("prints events as JSON", async () => {
    const { stdout, stderr } = await lydian("run", "--json", `${fixture("sums.ts")}::square`, "5");
    const events = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { type: string; value?: unknown; appId?: string });
    expect(events.find((event) => event.type === "result")?.value, stderr).toBe(25);
    expect(events.find((event) => event.type === "app-created")?.appId).toMatch(/^ap-/);
  });

  it("shows the flags of an entrypoint without starting anything", async () => {
    const { code, stdout } = await lydian("run", fixture("sums.ts"), "--help");
    expect(code).toBe(0);
    expect(stdout).toContain("--count <number>");
    expect(stdout).toContain("--fail <here|remotely>");
  });

  it("answers wrong words with a line and exit code 2", async () => {
    const unknown = await lydian("run", fixture("sums.ts"), "--cuont", "3");
    expect(unknown).toEqual({ code: 2, stdout: "", stderr: "lydian: unknown flag --cuont\n  Did you mean --count?\n" });
    expect((await lydian("run", "missing.ts")).code).toBe(2);
    const name = await lydian("run", `${fixture("sums.ts")}::sqare`);
    expect(name.code).toBe(2);
    expect(name.stderr).toContain("::square");
  });

  it("shows the line of an exception thrown here, and of one thrown in a container", async () => {
    const here = await lydian("run", fixture("sums.ts"), "--fail", "here");
    expect(here.code).toBe(1);
    expect(here.stderr).toContain("TypeError: no luck");
    expect(here.stderr).toMatch(/> \d+ \|.*throw new TypeError\("no luck"\)/);
    const remote = await lydian("run", fixture("sums.ts"), "--fail", "remotely");
    expect(remote.code).toBe(1);
    expect(remote.stderr).toContain("RangeError: beyond the table");
    expect(remote.stderr).toMatch(/> \d+ \|.*throw new RangeError\("beyond the table"\)/);
  });

  it("shows where a file has a syntax error", async () => {
    const file = join(home, "broken.ts");
    writeFileSync(file, "const a = 1;\nexport const = 2;\n");
    const { code, stderr } = await lydian("run", file);
    expect(code).toBe(1);
    expect(stderr).toContain("broken.ts:2");
    expect(stderr).not.toContain("    at ");
  });

  it("gives a class state, parameters and hooks, gathers batches, and says why what fails does", async () => {
    const { stdout, stderr } = await lydian("run", fixture("classes.ts"));
    const lines = stdout.trim().split("\n");
    const printed = lines.find((line) => line.startsWith("["));
    expect(printed, stderr).toBeDefined();
    const [failing, notStarting, short, ...rest] = (JSON.parse(printed ?? "[]") as string[]).slice(8);
    expect(rest).toEqual([]);
    expect(JSON.parse(printed ?? "[]").slice(0, 8)).toEqual([
      { name: "a", at: 1 },
      { name: "a", at: 2 },
      { name: "b", at: 4 },
      [4, 3, 2, 1],
      { name: "a", at: 3 },
      ["eu", 5],
      1,
      ["p of 5", "q of 5", "r of 5", "s of 5", "t of 5"],
    ]);
    expect(failing).toMatch(/^NonRetriableError: a fails\n/);
    expect(notStarting).toMatch(/cannot count from -1/);
    expect(notStarting).toMatch(/classes\.ts:\d+/);
    expect(short).toContain("the batched handler was given 1 input and returned an array of 0");
    expect(lines.filter((line) => line.includes("closed")).sort()).toEqual(["a closed at 3", "b closed at 0", "relayed closed at 1"]);
  });

  it("stops the app on Ctrl-C and exits with 130", async () => {
    const child = start("run", fixture("waiting.ts"));
    const ended = collect(child);
    if (!child.stdout) throw new Error("no stdout");
    for await (const line of createInterface(child.stdout)) {
      if (line === "waiting") child.kill("SIGINT");
    }
    const { code } = await ended;
    expect(code).toBe(130);
    const { stdout } = await lydian("container", "list", "--json");
    expect(JSON.parse(stdout)).toEqual([]);
    const apps = JSON.parse((await lydian("app", "list", "--json")).stdout) as { name: string; state: string }[];
    expect(apps.find((app) => app.name === "waiting")?.state).toBe("stopped");
  });
});

describe("other commands against the embedded server", () => {
  it("print what an app has printed", async () => {
    const { code, stdout, stderr } = await lydian("app", "logs", "waiting");
    expect(code, stderr).toBe(0);
    expect(stdout).toContain("waiting");
  });

  it("print shell lines that point other clients at it", async () => {
    const { code, stdout } = await lydian("env");
    expect(code).toBe(0);
    expect(stdout).toContain(`export MODAL_SERVER_URL='unix://${join(home, "data/api.sock")}'`);
    expect(stdout).toMatch(/export MODAL_TOKEN_ID='\S+'\nexport MODAL_TOKEN_SECRET='\S+'/);
  });

  it("make and revoke tokens", async () => {
    const made = JSON.parse((await lydian("token", "create", "laptop", "--json")).stdout) as { token_id: string };
    const listed = JSON.parse((await lydian("token", "list", "--json")).stdout) as { token_id: string; name: string }[];
    expect(listed).toContainEqual(expect.objectContaining({ token_id: made.token_id, name: "laptop" }));
    expect((await lydian("token", "revoke", made.token_id)).code).toBe(0);
    expect((await lydian("token", "list")).stdout).not.toContain(made.token_id);
  });

  it("deploy a class, which other programs call by its name", async () => {
    const deployed = await lydian("deploy", fixture("classes.ts"));
    expect(deployed.stdout, deployed.stderr).toContain('  Cls.fromName("classes", "Counter")\n');
    const { stdout, stderr } = await lydian("run", fixture("class-by-name.ts"));
    expect(stdout, stderr).toContain("[3,6,3,2,1]\n");
    expect((await lydian("app", "stop", "classes")).code).toBe(0);
  });

  it("refuse a wrong token in one line", async () => {
    const url = `unix://${join(home, "data/api.sock")}`;
    const child = spawn(process.execPath, [CLI_FILE, "app", "list"], {
      env: { ...env, MODAL_SERVER_URL: url, MODAL_TOKEN_ID: "tk-wrong", MODAL_TOKEN_SECRET: "ts-wrong" },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const { code, stderr } = await collect(child);
    expect(code).toBe(1);
    expect(stderr.split("\n")[0]).toMatch(/^lydian: .*token/);
    expect(stderr).not.toContain("    at ");
  });
});
