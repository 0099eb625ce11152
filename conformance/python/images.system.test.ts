// Images of every kind that the client can express where no registry is reachable.
import { expect, it } from "vitest";
import { resultsOf } from "../run-command.ts";
import { clientsFor, describeWithPython, TestServer } from "./clients.ts";

const server = new TestServer();

describeWithPython.each(clientsFor("rest"))("Python %s", (version) => {
  it("images: packages, files, Dockerfiles and functions, as layers that containers see", async () => {
    const client = await server.client(version);
    const number = String(Date.now());
    const run = await client.modal(["run", "images.py"], { env: { NUMBER: number } });
    expect(resultsOf(run), run.output).toEqual({
      packages: "('1.17.0', 'jq runs', 'hello', '/work', ['here.txt'], 'hello')",
      requirements: "('1.16.0', True)",
      files: "(['deep/two.txt', 'one.txt'], 'one', 'two', 'one')",
      dockerfile: "('hello world', 'world', 'one')",
      commands: "('from a line', 'a b')",
      function: `('${number} seven secretly', False)`,
      newer: "(3, 13)",
    });
    expect(run.code).toBe(0);
    expect(run.output).toContain(`preparing ${number}`);
  });

  it("images: entry points run the container, or the call says that they do not", async () => {
    const client = await server.client(version);
    const run = await client.modal(["run", "entry_points.py"]);
    expect(run.code, run.output).toBe(0);
    expect(resultsOf(run), run.output).toEqual({
      wrapped: "by entrypoint()",
      Dockerfile: "by a Dockerfile",
      "taken away": "None",
      "command not run": expect.stringMatching(
        /^RemoteError: The container exited with code 0.* has the entry point \["\/bin\/true"\], which must run/,
      ),
    });
  });
});
