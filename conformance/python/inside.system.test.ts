// Commands and shells in the containers of functions, and in those that are made for a shell.
import { spawn, spawnSync } from "node:child_process";
import { expect, it } from "vitest";
import { type Client, clientsFor, describeWithPython, installPython, programs, TestServer } from "./clients.ts";

const server = new TestServer();
const hasScript = spawnSync("script", ["--version"]).status === 0;
if (!hasScript) console.warn("The test of a shell at a terminal is skipped: script(1) is not installed.");

const call = async (client: Client, name: string, ...args: string[]) => {
  const line = `import json, modal; print(json.dumps(modal.Function.from_name("inside", "${name}").remote(*${JSON.stringify(args)})))`;
  const { code, stdout, output } = await client.python(["-c", line]);
  expect(code, output).toBe(0);
  return JSON.parse(stdout) as unknown;
};

// Without a terminal the client prints what comes until it hears of the end, and drops what it has not printed by then.
const PRINTED = { timeout: 60_000 };

describeWithPython.each(clientsFor("rest"))("Python %s", (version) => {
  it("inside: commands run in a function's container, with its files, environment and rights", async () => {
    const client = await server.client(version);
    const run = async (expected: number, ...args: string[]) => {
      const ended = await client.modal(args);
      expect(ended.code, ended.output).toBe(expected);
      return ended;
    };
    await run(0, "deploy", "inside.py");
    const taskId = (await call(client, "leave", "behind")) as string;
    const look =
      'cat /tmp/left; echo; echo "$PASSWORD $COLOR $MODAL_TASK_ID"; pwd; python -c "import modal; print(modal.__version__)"; echo err >&2';
    const { stdout } = await run(0, "container", "exec", taskId, "--", "sh", "-c", look);
    expect(stdout).toBe(`behind\nswordfish blue ${taskId}\n/srv\n${version}\nerr\n`);

    await expect.poll(async () => (await run(0, "shell", "--no-pty", taskId, "--cmd", "cat /tmp/left")).stdout, PRINTED).toBe("behind");
    expect((await run(1, "container", "exec", taskId, "--", "no-such-program")).output).toContain('"no-such-program" could not be started');
    // Another container's word does not count.
    const [code, output] = (await call(client, "intrude", taskId)) as [number, string];
    expect(code).toBe(1);
    expect(output).toContain("There is no such sandbox in the environment of this container.");
    await expect.poll(async () => (await run(0, "container", "exec", taskId, "--", "ls", "/tmp")).stdout, PRINTED).toBe("left\n");
    await run(0, "container", "stop", "--yes", taskId);
    await expect.poll(async () => (await client.modal(["container", "exec", taskId, "--", "true"])).output).toContain("has ended");
    expect((await run(1, "container", "exec", "ta-0123456789012345678901", "--", "true")).output).toContain("There is no container");
    await run(0, "app", "stop", "--yes", "inside");
  });

  it("inside: a function uses sandboxes, within what it may do", async () => {
    const client = await server.client(version);
    for (const args of [
      ["secret", "create", "not-its-own", "A=1"],
      ["deploy", "inside.py"],
    ])
      expect((await client.modal(args)).code).toBe(0);
    const refused = expect.stringContaining('The function does not have the secret "not-its-own" itself.');
    expect(await call(client, "sandboxed")).toEqual(["swordfish blue\n", 0, "kept", [true], refused]);
    for (const args of [
      ["app", "stop", "--yes", "inside"],
      ["app", "stop", "--yes", "inside-boxes"],
      ["secret", "delete", "--yes", "not-its-own"],
    ])
      await client.modal(args);
  });

  it("inside: a shell is opened where a function would run, or in an image", async () => {
    const client = await server.client(version);
    const shell = async (...args: string[]) => {
      const { code, stdout, output } = await client.modal(["shell", "--no-pty", ...args]);
      expect(code, output).toBe(0);
      return stdout;
    };
    const look = "echo $PASSWORD $COLOR; pwd; ls /root";
    expect(await shell("inside.py::leave", "--cmd", look)).toBe("swordfish blue\n/srv\ninside.py\n");
    const image = ["--image", "python:3.11-slim-bookworm"];
    expect(await shell(...image, "--add-local", "inside.py", "--cmd", "ls /mnt; python --version")).toMatch(/^inside.py\nPython 3\.11/);
    expect(JSON.parse((await client.modal(["container", "list", "--json"])).stdout)).toEqual([]);
  });

  it.skipIf(!hasScript)("inside: a shell in a function's container has a terminal", async () => {
    const client = await server.client(version);
    await client.modal(["deploy", "inside.py"]);
    const taskId = await call(client, "leave", "behind");
    const line = `stty rows 31 columns 97; ${await installPython(version)} -m modal shell ${taskId}`;
    const child = spawn("script", ["-qec", line, "/dev/null"], { cwd: programs, env: { ...server.env({}), TERM: "xterm" } });
    let seen = "";
    let typed = false;
    child.stdout.on("data", (chunk: Buffer) => {
      seen += chunk.toString();
      if (typed || !/[#$] $/.test(seen)) return;
      typed = true;
      child.stdin.write('stty size; echo "$PASSWORD"; cat /tmp/left; exit\r');
    });
    await new Promise((resolve) => child.once("close", resolve));
    expect(seen).toContain("31 97\r\nswordfish\r\nbehind");
    await client.modal(["app", "stop", "--yes", "inside"]);
  });
});

// It insists on TLS, which is served on the same port.
describeWithPython.each(clientsFor("core").filter((version) => version === "1.4.3"))("Python %s", (version) => {
  it("inside: processes are reached over TLS", async () => {
    const client = await server.client(version);
    const { code, stdout, output } = await client.modal(["shell", "--no-pty", "inside.py::leave", "--cmd", "echo $PASSWORD"]);
    expect(code, output).toBe(0);
    expect(stdout).toContain("swordfish\n");
    expect(output).toContain("Using insecure TLS");
  });
});
