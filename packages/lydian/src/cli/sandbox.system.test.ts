// `lydian sandbox`, `lydian shell` and `lydian container exec`, against a real server; terminals by script(1).
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, ModalClient } from "@lydian/protocol";
import { type RunningServer, startServer } from "@lydian/server";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { shareTestLayers } from "../../../containers/src/images/testing.ts";
import { CLI_FILE } from "./dist-files.ts";

const DIST = join(import.meta.dirname, "../../dist");
const reason = process.platform !== "linux" || process.getuid?.() !== 0 ? "not root on Linux" : undefined;
if (reason !== undefined) console.log(`skipped: commands for sandboxes (${reason})`);
const hasScript = spawnSync("script", ["--version"]).status === 0;
if (!hasScript) console.log("skipped: commands for sandboxes at a terminal (script(1) is not installed)");

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

describe.skipIf(reason !== undefined)("commands for sandboxes", () => {
  let dataDir: string;
  let server: RunningServer;
  let env: NodeJS.ProcessEnv;
  let tokenHeaders: Record<string, string>;
  let id: string;

  beforeAll(async () => {
    dataDir = mkdtempSync(join(tmpdir(), "ly-cli-sb-"));
    await shareTestLayers(dataDir);
    server = await startServer({
      dataDir,
      port: 0,
      containerHost: "oci",
      runtimeDir: join(DIST, "runtime"),
      launcherProgram: join(DIST, "launcher.js"),
      logLevel: "error",
    });
    const { tokenId, tokenSecret } = JSON.parse(readFileSync(server.tokenFile, "utf8")) as { tokenId: string; tokenSecret: string };
    tokenHeaders = { "x-modal-token-id": tokenId, "x-modal-token-secret": tokenSecret };
    env = {
      PATH: process.env.PATH,
      HOME: dataDir,
      TERM: "xterm",
      LYDIAN_SERVER_URL: server.url,
      LYDIAN_TOKEN_ID: tokenId,
      LYDIAN_TOKEN_SECRET: tokenSecret,
    };
    const { code, stdout, stderr } = await lydian("sandbox", "create", "--name", "box", "--tag", "team=search", "--env", "GREETING=hello");
    expect(code, stderr).toBe(0);
    id = stdout.trim();
  }, 300_000);
  afterAll(async () => {
    await server?.stop();
    rmSync(dataDir, { recursive: true, force: true, maxRetries: 3 });
  });

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

  const lydian = (...args: string[]) => collect(spawn(process.execPath, [CLI_FILE, ...args], { env, stdio: ["ignore", "pipe", "pipe"] }));

  /** A shell line at a terminal of 31 rows and 97 columns. Keys are typed when what they wait for has been printed since the last ones. */
  function atTerminal(line: string, keys: readonly (readonly [after: RegExp, typed: string])[]): Promise<Ended> {
    const child = spawn("script", ["-qec", `stty rows 31 columns 97; ${line}`, "/dev/null"], { env, stdio: ["pipe", "pipe", "pipe"] });
    const left = [...keys];
    let seen = "";
    child.stdout.on("data", (chunk: Buffer) => {
      seen += chunk.toString();
      const [next] = left;
      if (!next?.[0].test(seen)) return;
      seen = "";
      left.shift();
      child.stdin.write(next[1]);
    });
    return collect(child);
  }
  const CLI = `${process.execPath} ${CLI_FILE}`;

  it("make one that can be found, and list it", async () => {
    expect(id).toMatch(/^sb-[0-9A-Za-z]+$/);
    const { stdout } = await lydian("sandbox", "list", "--tag", "team=search", "--json");
    const isolation = expect.stringMatching(/^(namespaces|user-namespace)$/);
    expect(JSON.parse(stdout)).toMatchObject([{ sandbox_id: id, name: "box", tags: { team: "search" }, timeout_seconds: 300, isolation }]);
    const containers = JSON.parse((await lydian("container", "list", "--json")).stdout);
    expect(containers).toEqual(expect.arrayContaining([expect.objectContaining({ isolation })]));
    expect((await lydian("sandbox", "list")).stdout).toMatch(new RegExp(`^SANDBOX .*\n${id} +box +ap-`));
    expect(JSON.parse((await lydian("sandbox", "list", "--tag", "team=other", "--json")).stdout)).toEqual([]);
  });

  it("run a command in it, with its streams and its exit code", async () => {
    expect(await lydian("sandbox", "exec", id, "sh", "-c", "echo $GREETING $A; echo no >&2; exit 7")).toEqual({
      code: 7,
      stdout: "hello\n",
      stderr: "no\n",
    });
    expect((await lydian("sandbox", "exec", "--workdir", "/tmp", "--env", "A=1", id, "sh", "-c", "pwd; echo $A")).stdout).toBe("/tmp\n1\n");
    const cat = spawn(process.execPath, [CLI_FILE, "sandbox", "exec", id, "--", "wc", "-c"], { env, stdio: ["pipe", "pipe", "pipe"] });
    const counted = collect(cat);
    cat.stdin.end("x".repeat(3_000_000));
    expect(await counted).toEqual({ code: 0, stdout: "3000000\n", stderr: "" });
  });

  it("say what is wrong, and end with codes that tell it", async () => {
    expect(await lydian("sandbox", "exec", "sb-none", "true")).toMatchObject({ code: 1, stderr: expect.stringContaining("sb-none") });
    expect(await lydian("sandbox", "exec", "box", "true")).toMatchObject({ code: 2, stderr: expect.stringContaining('"box" is no id') });
    expect(await lydian("sandbox", "exec", id, "no-such-program")).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("no-such-program"),
    });
    expect(await lydian("sandbox", "exec", "--timeout", "1s", id, "sleep", "60")).toMatchObject({
      code: 124,
      stderr: expect.stringContaining("longer than its timeout of 1 s"),
    });
    expect((await lydian("sandbox", "create", "--env", "A")).code).toBe(2);
  });

  it("reach the container of a sandbox by its own id", async () => {
    const [{ container_id }] = JSON.parse((await lydian("sandbox", "list", "--json")).stdout) as [{ container_id: string }];
    expect(await lydian("container", "exec", container_id, "echo", "hi")).toEqual({ code: 0, stdout: "hi\n", stderr: "" });
  });

  it("freeze it until somebody needs it, and let it go on", async () => {
    expect(await lydian("sandbox", "pause", id)).toEqual({ code: 0, stdout: `${id} is paused\n`, stderr: "" });
    expect((await lydian("sandbox", "exec", id, "echo", "awake")).stdout).toBe("awake\n");
    expect(JSON.parse((await lydian("sandbox", "resume", "--json", id)).stdout)).toEqual([{ sandbox_id: id, state: "running" }]);
    expect((await lydian("sandbox", "pause", "sb-none")).code).not.toBe(0);
  });

  it("reach the further containers of a sandbox by their names", async () => {
    const made = await lydian("run", join(import.meta.dirname, "../../test/fixtures/beside.ts"), "--id", id);
    expect(made.code, made.stderr).toBe(0);
    expect(await lydian("sandbox", "exec", `${id}:db`, "sh", "-c", "echo $ROLE; exit 3")).toEqual({
      code: 3,
      stdout: "store\n",
      stderr: "",
    });
    expect((await lydian("shell", `${id}:db`, "--cmd", "cat /proc/1/cmdline")).stdout).toContain("lydian-agent");
    expect((await lydian("sandbox", "exec", `${id}:main`, "sh", "-c", "echo $GREETING")).stdout).toBe("hello\n");
    expect(await lydian("sandbox", "exec", `${id}:none`, "true")).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('no container "none"'),
    });
  });

  it("reach the container of a function, with its environment, until it ends", async () => {
    const deployed = await lydian("deploy", join(import.meta.dirname, "../../test/fixtures/kept.ts"));
    expect(deployed.code, deployed.stderr).toBe(0);
    const containers = async () =>
      (
        JSON.parse((await lydian("container", "list", "--json")).stdout) as {
          app: string;
          container_id: string;
          started_at: number | null;
        }[]
      )
        .filter((it) => it.app === "kept" && it.started_at !== null)
        .map((it) => it.container_id);
    await expect.poll(containers, { timeout: 30_000 }).toHaveLength(1);
    const [kept = ""] = await containers();
    const look = 'echo "$PASSWORD $MODAL_TASK_ID"; ls /app/main.mjs; exit 3';
    expect(await lydian("container", "exec", kept, "sh", "-c", look)).toEqual({
      code: 3,
      stdout: `swordfish ${kept}\n/app/main.mjs\n`,
      stderr: "",
    });
    expect((await lydian("shell", kept, "--cmd", "pwd")).code).toBe(0);
    const running = lydian("container", "exec", kept, "sleep", "600");
    await expect
      .poll(async () => (await lydian("container", "exec", kept, "sh", "-c", "cat /proc/[0-9]*/cmdline")).stdout, { timeout: 30_000 })
      .toContain("sleep\u0000600");
    expect((await lydian("app", "stop", "kept")).code).toBe(0);
    expect(await running).toMatchObject({ code: 137 });
    expect((await lydian("container", "exec", kept, "true")).stderr).toContain("has ended");
  });

  it("keep its files as an image for others, and carry files in and out", async () => {
    const local = join(dataDir, "notes.txt");
    writeFileSync(local, "notes");
    expect(await lydian("sandbox", "cp", local, `${id}:/work/notes.txt`)).toEqual({ code: 0, stdout: "", stderr: "" });
    const image = (await lydian("sandbox", "snapshot", id, "--ttl", "1h")).stdout.trim();
    const kept = await lydian("sandbox", "snapshot", id, "--directory", "/work", "--ttl", "forever", "--json");
    expect(JSON.parse(kept.stdout)).toEqual({ image_id: expect.stringMatching(/^im-/), sandbox_id: id, directory: "/work" });
    const other = (await lydian("sandbox", "create", "--image", image, "--allow-domain", "example.com")).stdout.trim();
    expect(await lydian("sandbox", "cp", `${other}:/work/notes.txt`, `${local}.back`)).toEqual({ code: 0, stdout: "", stderr: "" });
    expect(readFileSync(`${local}.back`, "utf8")).toBe("notes");
    expect(await lydian("sandbox", "cp", local, "/work")).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("must be in a sandbox"),
    });
    expect(await lydian("sandbox", "create", "--network", "open", "--allow-cidr", "10.0.0.0/8")).toMatchObject({ code: 2 });
    expect(await lydian("sandbox", "terminate", other)).toMatchObject({ code: 0 });
  });

  it("run functions that use sandboxes, within what the function may do", async () => {
    for (const command of [
      ["secret", "create", "own", "OWN=mine"],
      ["secret", "create", "other", "OTHER=not mine"],
    ])
      expect((await lydian(...command)).code).toBe(0);
    const connection = connect({ url: server.url, headers: tokenHeaders });
    await connection.service(ModalClient).environmentCreate({ name: "staging" });
    await connection.close();
    const elsewhere = (await lydian("sandbox", "create", "-e", "staging")).stdout.trim();
    env.ELSEWHERE = elsewhere;
    const { stdout, stderr } = await lydian("run", join(import.meta.dirname, "../../test/fixtures/sandboxes.ts"));
    const [told] = stdout.split("\n").filter((line) => line.startsWith("{"));
    expect(JSON.parse(told ?? "null"), stderr).toEqual({
      stdout: "yes mine\nwritten",
      names: ["made-inside"],
      secret: 'The function does not have the secret "other" itself.',
      secretOfProcess: 'The function does not have the secret "other" itself.',
      elsewhere: "There is no such sandbox in the environment of this container.",
      environment: 'A container of the environment "main" sees no apps of "staging".',
      blocked: expect.stringContaining('The network of the function "blocked" is blocked'),
    });
    expect((await lydian("sandbox", "terminate", elsewhere)).code).toBe(0);
  });

  it("end without a sandbox when its command cannot be started", async () => {
    const { code, stdout, stderr } = await lydian("sandbox", "create", "no-such-program");
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toContain("no-such-program could not be started: no such file or directory");
  });

  it("print what the command of a sandbox printed", async () => {
    const made = await lydian("sandbox", "create", "--json", "--", "sh", "-c", "echo out; echo err >&2");
    const { sandbox_id } = JSON.parse(made.stdout) as { sandbox_id: string };
    expect(await lydian("sandbox", "logs", sandbox_id)).toEqual({ code: 0, stdout: "out\n", stderr: "err\n" });
  });

  it.skipIf(!hasScript)("give a terminal of the same size, pass keys on, and leave this one as it was", async () => {
    const { code, stdout } = await atTerminal(`${CLI} shell ${id}; code=$?; stty -a; exit $code`, [
      [/[#$] $/, 'stty size; tty; echo "$GREETING"; echo be""gin; sleep 600\r'],
      [/^begin/m, "\u0003"],
      [/[#$] $/, "exit 3\r"],
    ]);
    expect(stdout).toContain("31 97");
    expect(stdout).toMatch(/\/dev\/pts\/\d+/);
    expect(stdout).toMatch(/^hello\r?$/m);
    expect(stdout).toContain("^C");
    expect(stdout.slice(stdout.indexOf("speed"))).toMatch(/(?<!-)icanon/);
    expect(stdout.slice(stdout.indexOf("speed"))).toMatch(/(?<!-)echo\b/);
    expect(code).toBe(3);
  });

  it("open a shell in an image, without a terminal where there is none", async () => {
    expect(await lydian("shell", "--cmd", "node -p 6*7; exit 4", "--env", "A=1")).toEqual({
      code: 4,
      stdout: "42\n",
      stderr: "lydian: starting a container\n",
    });
    const running = JSON.parse((await lydian("app", "list", "--json")).stdout) as { name: string; state: string }[];
    expect(running.filter(({ name }) => name === "shell").map(({ state }) => state)).toEqual(["stopped"]);
  });

  it("open a shell where a function runs, with its code", async () => {
    const { code, stdout, stderr } = await lydian(
      "shell",
      `${join(import.meta.dirname, "../../test/fixtures/sums.ts")}::square`,
      "-c",
      "ls /app",
    );
    expect(code, stderr).toBe(0);
    expect(stdout).toContain("main.mjs");
    expect(await lydian("shell", `${join(import.meta.dirname, "../../test/fixtures/sums.ts")}::none`)).toMatchObject({ code: 2 });
  });

  it("end them", async () => {
    expect(await lydian("sandbox", "terminate", id)).toEqual({ code: 0, stdout: `${id} is terminated\n`, stderr: "" });
    expect(JSON.parse((await lydian("sandbox", "list", "--tag", "team=search", "--json")).stdout)).toEqual([]);
  });
});
