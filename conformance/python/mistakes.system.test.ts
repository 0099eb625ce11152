// Mistakes of every kind: a clear error of the client's own, a code, nothing that hangs.
import { expect, it } from "vitest";
import { resultsOf } from "../run-command.ts";
import { clientsFor, describeWithPython, TestServer } from "./clients.ts";

const server = new TestServer();

describeWithPython.each(clientsFor("rest"))("Python %s", (version) => {
  it("mistakes: a wrong token", async () => {
    const client = await server.client(version);
    const script = "import modal; modal.App.lookup('x')";
    for (const env of [{ MODAL_TOKEN_SECRET: "as-wrong" }, { MODAL_TOKEN_ID: "ak-wrong" }]) {
      const command = await client.modal(["run", "entrypoints.py::shout", "--text", "x"], { env });
      expect(command.code).toBe(1);
      expect(command.output).toContain("is not valid here");
      expect((await client.python(["-c", script], { env })).stderr).toMatch(/AuthError: The token ".*" is not valid here/);
    }
  });

  it("mistakes: an image that does not build, or is nowhere", async () => {
    const client = await server.client(version);
    const broken = await client.modal(["run", "bad/image.py"]);
    expect(broken.code).toBe(1);
    expect(broken.output).toContain("a line of the build\n");
    expect(broken.output).toMatch(/Image build for im-\w+ failed/);
    expect(broken.output).toContain("Step 3 (RUN exit 3) failed with exit code 3");
    const unknown = await client.modal(["run", "bad/unknown_image.py"]);
    expect(unknown.code).toBe(1);
    expect(unknown.output).toMatch(/The registry nowhere\.invalid could not be reached/);
  });

  it("mistakes: code that cannot be imported in the container", async () => {
    const client = await server.client(version);
    const run = await client.modal(["run", "bad/import_fails.py"]);
    expect(run.code, run.output).toBe(0);
    const error = "ModuleNotFoundError: No module named 'a_module_that_is_nowhere'\n";
    expect(run.stdout.split(`caught ${error}`)).toHaveLength(3);
    // The traceback of the container is shown.
    expect(run.output).toMatch(/File "\/root\/import_fails.py", line \d+, in <module>/);
  });

  it("mistakes: containers that end before their first input", async () => {
    const client = await server.client(version);
    const run = await client.modal(["run", "bad/ends_early.py"]);
    expect(run.code, run.output).toBe(0);
    expect(resultsOf(run), run.output).toEqual({
      "exit 0": "RemoteError: The container exited with code 0 before it was ready.",
      "exit 5": "RemoteError: The container exited with code 5 before it was ready.",
      "enter fails": "ValueError: on enter",
    });
  });

  it("mistakes: what is larger than the limits", async () => {
    const client = await server.client(version);
    const run = await client.python(["bad/too_large.py"]);
    expect(run.code, run.output).toBe(0);
    expect(resultsOf(run), run.output).toEqual({
      "value of a secret": "InvalidError: The value of LARGE has 70000 bytes; it may have 65536.",
      "variables of a secret": "InvalidError: A secret has 300 variables; it may have 256.",
      "uploaded arguments": String(40 * 2 ** 20),
      "arguments in a message": expect.stringMatching(/^InvalidError: The arguments of input 0 have 4194\d+ bytes; at most 33554432 /),
      message: expect.stringMatching(/^ResourceExhaustedError: the request has 1363\d+ bytes, more than the 134217728 /),
      afterwards: "1",
    });
  });

  it("mistakes: a client that nobody has released", async () => {
    const client = await server.client(version);
    const run = await client.python(["bad/unknown_client.py"]);
    expect(resultsOf(run), run.output).toEqual({
      run: expect.stringMatching(/^ConflictError: There is no version 1\.99\.0 of the Python client on PyPI/),
    });
  });

  it("mistakes: options that are not offered, or cannot be, are refused by name", async () => {
    const client = await server.client(version);
    expect((await client.modal(["secret", "create", "--force", "refused", "OTHER=1"])).code).toBe(0);
    const run = await client.python(["bad/refused.py"]);
    expect(run.code, run.output).toBe(0);
    expect(resultsOf(run), run.output).toEqual({
      gpu: expect.stringMatching(/^UnimplementedError: .* asks for GPUs/),
      buckets: expect.stringMatching(/^UnimplementedError: .* asks for bucket mounts/),
      region: expect.stringMatching(/^UnimplementedError: .* asks for regions/),
      cloud: expect.stringMatching(/^UnimplementedError: .* asks for choice of a cloud/),
      secret: expect.stringMatching(/^NotFoundError: Secret 'nowhere' not found/),
      keys: expect.stringMatching(/^\w+: Secret is missing key\(s\): MISSING/),
      "min over max": expect.stringMatching(/^InvalidError: /),
      cpu: expect.stringMatching(/^InvalidError: .*4096000; it must be from 0 to 1024000/),
      timeout: expect.stringMatching(/^InvalidError: .*900000; it must be from 1 to 86400/),
      name: expect.stringMatching(/^InvalidError: "a name with spaces" is not a name of a function/),
    });
  });

  it("mistakes: names that are none", async () => {
    const client = await server.client(version);
    for (const [args, said] of [
      [["deploy", "--name", "a b", "deployed.py"], "Invalid App name: 'a b'"],
      [["deploy", "--tag", "a b", "deployed.py"], "Deployment tag 'a b' is invalid"],
      [["run", "entrypoints.py::nowhere"], "shout / app.shout"],
      [["run", "nowhere.py"], "nowhere.py"],
      [["environment", "create", "a b"], "Invalid Environment name: 'a b'"],
      [["environment", "create", "en-x"], "en-x"],
    ] as const) {
      const { code, output } = await client.modal(args);
      expect(code, output).toBe(1);
      expect(output).toContain(said);
    }
  });
});
