// The official Go client calls what the Python client has deployed.
import { copyFile, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { cached } from "../cache.ts";
import { describeWithPython, TestServer } from "../python/clients.ts";
import { resultsOf, runCommand } from "../run-command.ts";
import { goEnvironment, hasGo } from "./environment.ts";

const VERSION = "0.11.1";
const PROGRAM = join(import.meta.dirname, "calls.go");
/** The program, compiled with the client: for the first time this takes a minute or two. */
const build = async () =>
  cached(`modal-go-${VERSION}`, await readFile(PROGRAM, "utf8"), async (dir) => {
    await writeFile(join(dir, "go.mod"), "module conformance\n\ngo 1.25\n");
    await copyFile(PROGRAM, join(dir, "calls.go"));
    for (const args of [
      ["get", `github.com/modal-labs/modal-client/go@v${VERSION}`],
      ["build", "-o", "calls", "."],
    ]) {
      const { code, output } = await runCommand("go", args, { cwd: dir, env: goEnvironment });
      if (code !== 0) throw new Error(`go ${args.join(" ")} failed:\n${output}`);
    }
  });

(hasGo ? describeWithPython : describe.skip)(`Go ${VERSION}`, () => {
  const server = new TestServer();

  it("calling: functions and classes, values of CBOR, spawned calls, errors, statistics, settings", { timeout: 600_000 }, async () => {
    const python = await server.client("1.6.4");
    const deploy = await python.modal(["deploy", "deployed.py"]);
    expect(deploy.code, deploy.output).toBe(0);
    const run = await runCommand(join(await build(), "calls"), [], { env: server.env({}) });
    expect(run.code, run.output).toBe(0);
    expect(resultsOf(run), run.output).toEqual({
      "args and kwargs": "[[1 two] map[three:3.5]]",
      nil: "None",
      bool: "True",
      int: "42",
      "large int": "9007199254740992",
      negative: "-7",
      float: "1.25",
      string: "'héllo'",
      bytes: "b'\\x00\\xff'",
      list: "[1, ['a']]",
      map: "{'a': 1}",
      time: "datetime.datetime(2024, 5, 6, 7, 8, 9, tzinfo=datetime.timezone.utc)",
      large: "true",
      spawn: "0",
      "not done, then cancelled": "modal.RemoteError: RemoteError: The call was cancelled.",
      "remote error": "modal.RemoteError: RemoteError: ValueError('because')",
      stats: "0 true",
      "update autoscaler": "done",
      "web url": "true",
      class: "hi nobody of 0",
      "class with parameters": "hi you of 0",
      "class with options": "hi them of 0",
      "parameter of a wrong type": "*fmt.wrapError: failed to serialize parameters: parameter 'name' must be a string",
      "no method": "modal.NotFoundError: NotFoundError: method 'nothing' not found on class",
      "no function": "modal.NotFoundError: NotFoundError: Function 'deployed/nothing' not found",
      "no app": "modal.NotFoundError: NotFoundError: Function 'nowhere/version' not found",
      "no class": "modal.NotFoundError: NotFoundError: class 'deployed/Nothing' not found",
      "class as function": "modal.NotFoundError: NotFoundError: Function 'deployed/Greeter' not found",
      app: "ap-",
      "no secret": "modal.NotFoundError: NotFoundError: Secret 'nowhere' not found",
    });
  });
});
