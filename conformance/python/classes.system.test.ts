// Classes: lifecycle, parameters, and variants of them.
import { expect, it } from "vitest";
import { resultsOf } from "../run-command.ts";
import { clientsFor, describeWithPython, TestServer } from "./clients.ts";

const server = new TestServer();

describeWithPython.each(clientsFor("core"))("Python %s", (version) => {
  it("classes: methods, lifecycle, parameters, options, concurrency and batches", async () => {
    const client = await server.client(version);
    const run = await client.modal(["run", "classes.py"]);
    expect(run.code, run.output).toBe(0);
    expect(resultsOf(run), run.output).toEqual({
      defaults: "(2, 'plain', 3, False, b'k', [1])",
      "same container": "[1, 2]",
      parameters: "(2, 'nine', 9, True, b'\\x00', [1])",
      "own pool": "[1, 2, 3]",
      generator: "[0, 3, 6]",
      local: "(1, 'plain', 1, False, b'k', [0])",
      "from inside": "(8, 8)",
      map: "[0, 2, 4, 6, 8]",
      spawn: "42",
      exception: "KeyError: 'plain'",
      "no parameters": "hello",
      concurrent: "[4, 4, 4, 4]",
      batched: "[(0, 4), (10, 4), (20, 4), (30, 4)]",
      "batched, one": "(5, 1)",
      required: "hello you",
      inherited: "('Derived', 'own')",
      "parameter missing": "InvalidError: Missing required parameter: name",
      "parameter unknown": expect.stringMatching(/^InvalidError: .* not defined .* colour$/),
      "parameter of a wrong type": "TypeError: Expected int, got str",
      helper: "helper",
      with_options: "(2, 'options', 3, False, b'k', [1])",
      "with_concurrency meets": "6",
      with_batching: "[(0, 2), (1, 2)]",
      "with secrets": "secret",
    });
    // Exit hooks are run, and what they print is seen, before the app is over.
    for (const line of ["leaving nine [1]", "leaving options [1]", "leaving secret [1]", "leaving plain [1, 2, 3]"])
      expect(run.stdout).toContain(`${line}\n`);
  });
});
