// What is said of a function: retries, timeouts, batches, concurrency, secrets, resources.
import { expect, it } from "vitest";
import { resultsOf } from "../run-command.ts";
import { clientsFor, describeWithPython, TestServer } from "./clients.ts";

const server = new TestServer();

describeWithPython.each(clientsFor("rest"))("Python %s", (version) => {
  it("limits: retries, timeouts, concurrency, batches, secrets, memory, containers that die", async () => {
    const client = await server.client(version);
    expect((await client.modal(["secret", "create", "--force", "limits-named", "C=c"])).code).toBe(0);
    const run = await client.modal(["run", "limits.py"], { env: { FROM_SHELL: "shell" } });
    expect(run.code, run.output).toBe(0);
    const timeout = expect.stringMatching(/^FunctionTimeoutError: .*1 s/);
    expect(resultsOf(run), run.output).toEqual({
      retries: "3",
      "retries in a map": "[2, 2]",
      "retries are used up": "ValueError: attempt 3",
      hopeless: "ValueError: hopeless",
      timeout,
      timeouts: timeout,
      concurrent: "1",
      batched: "[(0, 3), (2, 3), (4, 3)]",
      secrets: "['a', 'b', 'c', 'shell', 'of the function']",
      "single use": "True",
      "sys.exit": "SystemExit: 0",
      "sys.exit with a code": "SystemExit: 4",
      dies: expect.stringMatching(/^RemoteError: The container exited with code 3 /),
      "too much memory": expect.stringMatching(/^RemoteError: .*out of memory/),
      options: "options",
    });
    expect(run.stdout.match(/an attempt\n/g)).toHaveLength(2);
    expect(run.stdout.match(/slow again\n/g)).toHaveLength(2);
  });

  it("limits: secrets from the command line", async () => {
    const client = await server.client(version);
    const create = await client.modal(["secret", "create", "listed", "A=1", "B=2"]);
    expect(create.code, create.output).toBe(0);
    expect((await client.modal(["secret", "create", "listed", "A=1"])).output).toContain('The secret "listed" exists already');
    expect((await client.modal(["secret", "create", "--force", "listed", "C=1"])).code).toBe(0);
    expect((await client.modal(["secret", "list", "--json"])).stdout).toContain('"listed"');
    expect((await client.modal(["secret", "delete", "listed", "--yes"])).code).toBe(0);
    const gone = await client.modal(["secret", "delete", "listed", "--yes"]);
    expect(gone.code).toBe(1);
    expect(gone.output).toContain("Secret 'listed' not found");
  });
});
