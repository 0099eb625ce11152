// The official JavaScript client calls what the Python client has deployed.
import { copyFile, mkdtemp, symlink } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { describeWithPython, TestServer } from "../python/clients.ts";
import { type Ended, resultsOf, runCommand } from "../run-command.ts";
import { installJavaScript } from "./environment.ts";

const VERSION = "0.11.1";
const server = new TestServer();

async function runProgram(name: string): Promise<Ended> {
  const program = await mkdtemp(join(server.dataDir, "javascript-"));
  await symlink(join(await installJavaScript(VERSION), "node_modules"), join(program, "node_modules"));
  await copyFile(join(import.meta.dirname, name), join(program, name));
  return runCommand(process.execPath, [name], { cwd: program, env: server.env({}) });
}

describeWithPython(`JavaScript ${VERSION}`, () => {
  it("calling: functions and classes, values of CBOR, spawned calls, errors, statistics, settings", async () => {
    const python = await server.client("1.6.4");
    const deploy = await python.modal(["deploy", "deployed.py"]);
    expect(deploy.code, deploy.output).toBe(0);
    const run = await runProgram("calls.mjs");
    expect(run.code, run.output).toBe(0);
    expect(resultsOf(run), run.output).toEqual({
      "args and kwargs": "[[1, two], {three: 3.5}]",
      null: "[null, None]",
      bool: "[true, True]",
      int: "[42, 42]",
      // Which the client sends as a float.
      "large int": "[9007199254740992, 9007199254740992.0]",
      bigint: "[1152921504606846976n, 1152921504606846976]",
      negative: "[-7, -7]",
      float: "[1.25, 1.25]",
      string: "[héllo, 'héllo']",
      bytes: "[bytes 2, b'\\x00\\xff']",
      list: "[[1, [a]], [1, ['a']]]",
      object: "[{a: 1}, {'a': 1}]",
      map: "[{b: 2}, {'b': 2}]",
      date: expect.stringMatching(/^\[2024-05-06T07:08:09.000Z, datetime.datetime\(2024, 5, 6, 7, 8, 9, /),
      large: expect.stringMatching(/^\[bytes 5000000, /),
      spawn: "0",
      "not done": "FunctionCallGetTimeoutError: Timeout exceeded: 0ms",
      cancel: "undefined",
      cancelled: "RemoteError: Remote error: The call was cancelled.",
      "remote error": "RemoteError: Remote error: ValueError('because')",
      stats: "[0, true]",
      "update autoscaler": "undefined",
      "web url": "",
      class: "hi nobody of 0",
      "class with parameters": "hi you of 0",
      "class with options": "hi them of 0",
      "parameter of a wrong type": "Error: Parameter 'name' must be a string",
      "no method": "NotFoundError: Method 'nothing' not found on class",
      "no function": "NotFoundError: Function 'deployed/nothing' not found",
      "no app": "NotFoundError: Function 'nowhere/version' not found",
      "no class": "NotFoundError: Class 'deployed/Nothing' not found",
      "class as function": "NotFoundError: Function 'deployed/Greeter' not found",
      app: "ap-",
      "no secret": "NotFoundError: Secret 'nowhere' not found in this environment.",
    });
  });

  it("images: built, found by id and deleted", async () => {
    const run = await runProgram("images.mjs");
    expect(resultsOf(run), run.output).toEqual({
      again: "true",
      "by id": "true",
      "does not build": expect.stringMatching(/^Error: Image build for im-\w+ failed/),
      delete: "undefined",
      "by id of a deleted one": expect.stringMatching(/^NotFoundError: Could not find image with ID "im-/),
      "delete again": expect.stringMatching(/^NotFoundError: No Image with ID "im-/),
      "another one": "true",
    });
  });
});
