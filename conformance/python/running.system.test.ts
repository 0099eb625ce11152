// How programs are started and ended: the command line, scripts, packages, Ctrl-C, detached apps.
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { expect, it } from "vitest";
import { resultsOf } from "../run-command.ts";
import { clientsFor, describeWithPython, programs, TestServer } from "./clients.ts";

const server = new TestServer();
const IMAGE_PYTHON = "3.11";
const ownPython = execFileSync("python3", ["-c", "import sys; print('%d.%d' % sys.version_info[:2])"]).toString().trim();
if (ownPython !== IMAGE_PYTHON)
  console.warn(`Functions that are sent serialized are skipped: python3 is ${ownPython} here, and ${IMAGE_PYTHON} in the image.`);

describeWithPython.each(clientsFor("core"))("Python %s", (version) => {
  it("running: a script with an app in a `with`", async () => {
    const client = await server.client(version);
    const { code, stdout, output } = await client.python(["script.py"], {
      env: { SERIALIZED: ownPython === IMAGE_PYTHON ? "1" : undefined },
    });
    expect(code, output).toBe(0);
    for (const line of ["doubling 4", "with output 8 True", "without output 10", "async [0, 2, 4]"]) expect(stdout).toContain(`${line}\n`);
    expect(stdout).not.toContain("doubling 5");
    expect(stdout).toMatch(/not running: Function has not been hydrated/);
    if (ownPython === IMAGE_PYTHON) expect(stdout).toContain("serialized 101 [3]");
  });

  it("running: a program of several files, by its path and as a module", async () => {
    const client = await server.client(version);
    const expected = {
      greet: "('hello, you', 'beside the program')",
      files: "(['/files/deep/two.txt', '/files/one.txt'], 'one')",
      sources: expect.stringMatching(/^\[.*'beside.py', 'greetings', 'main.py'\]$/),
    };
    for (const [args, cwd] of [
      [["run", "project/main.py"], programs],
      [["run", "-m", "main"], join(programs, "project")],
    ] as const) {
      const run = await client.modal(args, { cwd });
      expect(run.code, run.output).toBe(0);
      expect(resultsOf(run), run.output).toEqual(expected);
    }
  });
});

describeWithPython.each(clientsFor("rest"))("Python %s", (version) => {
  it("running: arguments of entrypoints and functions", async () => {
    const client = await server.client(version);
    const main = await client.modal([...["run", "entrypoints.py::main", "--name", "x", "--loud", "--when", "2024-05-06", "--count", "7"]]);
    expect(main.code, main.output).toBe(0);
    expect(main.stdout).toContain("main x 7 0.5 True 2024-05-06 00:00:00\nin environment main\n");
    expect((await client.modal(["run", "entrypoints.py::raw", "a", "--b", "3"])).stdout).toContain("raw ('a', '--b', '3')\n");
    const shout = await client.modal(["run", "entrypoints.py::shout", "--text", "hi", "--times", "2"]);
    expect(shout.stdout).toContain("HIHI\n");
    expect(shout.stdout).not.toContain("not printed");
    const quiet = await client.modal(["run", "-q", "entrypoints.py::main", "--name", "y"]);
    expect(quiet).toMatchObject({ code: 0, stdout: "main y 2 0.5 False None\nin environment main\n" });
    const wrong = await client.modal(["run", "entrypoints.py::main", "--name", "x", "--count", "many"]);
    expect(wrong.code).toBe(2);
    expect(wrong.output).toContain("'many' is not a valid integer");
  });

  it("running: exit codes of entrypoints", async () => {
    const client = await server.client(version);
    const failed = await client.modal(["run", "entrypoints.py::fail"]);
    expect(failed.code).toBe(1);
    expect(failed.stderr).toContain("RuntimeError: from the entrypoint");
    expect((await client.modal(["run", "entrypoints.py::leave"])).code).toBe(7);
    const ambiguous = await client.modal(["run", "entrypoints.py"]);
    expect(ambiguous.code).toBe(1);
    expect(ambiguous.output).toMatch(/entrypoints?\.py.*shout/s);
  });

  it("running: Ctrl-C stops the app and its containers", async () => {
    const client = await server.client(version);
    const run = client.start(["run", "entrypoints.py::wait"]);
    await run.printed("it runs\n");
    run.process.kill("SIGINT");
    const { output } = await run.ended;
    expect(output).toContain("it is stopped");
    expect(JSON.parse((await client.modal(["container", "list", "--json"])).stdout)).toEqual([]);
  });

  it("running: a detached app goes on after its program, until it is stopped", async () => {
    const client = await server.client(version);
    const run = client.start(["run", "--detach", "entrypoints.py::wait"]);
    await run.printed("it runs\n");
    run.process.kill("SIGINT");
    await run.ended;
    const [container] = JSON.parse((await client.modal(["container", "list", "--json"])).stdout);
    const appId = String(container.app_id ?? container["App ID"]);
    expect(appId).toMatch(/^ap-/);
    const logs = client.start(["app", "logs", appId, "--follow"]);
    await logs.printed("it runs\n");
    expect((await client.modal(["app", "stop", appId, "--yes"])).code).toBe(0);
    // The stream of logs ends with the app, after the last that it has printed.
    const { code, stdout } = await logs.ended;
    expect(code).toBe(0);
    expect(stdout).toContain("it is stopped");
    expect(JSON.parse((await client.modal(["container", "list", "--json"])).stdout)).toEqual([]);
  });
});
