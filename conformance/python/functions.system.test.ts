// Calls of functions: every way to make one, and what comes back.
import { expect, it } from "vitest";
import { resultsOf } from "../run-command.ts";
import { clientsFor, describeWithPython, TestServer } from "./clients.ts";

const server = new TestServer();

describeWithPython.each(clientsFor("core"))("Python %s", (version) => {
  it("functions: calls, maps, generators, spawned calls and their failures", async () => {
    const client = await server.client(version);
    const run = await client.modal(["run", "functions.py"]);
    expect(resultsOf(run), run.output).toEqual({
      local: "9",
      remote: "10",
      "async function": "5",
      map: `[${Array.from({ length: 20 }, (_, x) => x * x + 1).join(", ")}]`,
      "map of two": "[11, 22]",
      unordered: "True",
      starmap: "[3, 7]",
      for_each: "None",
      "empty map": "[]",
      exception: "OutOfRange: (3, 2)",
      "map with exceptions": "[1, OutOfRange(3, 2), 2]",
      "map that fails": "OutOfRange: (3, 2)",
      generator: "[0, 1, 2, 3]",
      "async generator": "[0, 10, 20]",
      "broken generator": "([0, 1], 2, 1)",
      spawn: "6",
      from_id: "6",
      gather: "[2, 9]",
      spawn_map: "None",
      "not done": "TimeoutError: ",
      cancel: "None",
      cancelled: "RemoteError: The call was cancelled.",
      "after cancel": "0",
      "async variants": "([0, 1, 4, 9, 16], [1, 2, 3], [0, 10, 20], 2)",
      print: "None",
      "large argument": "5000000",
      "large result": "5000000",
      nested: "30",
      "unpicklable argument": "TypeError: cannot pickle 'generator' object",
      "unpicklable result": expect.stringContaining("InvalidError: Sync (non-generator) function return value of type <class 'generator'>"),
      "missing argument": "TypeError: square() missing 1 required positional argument: 'x'",
      stats: "0",
    });
    // The last call fails, and nobody catches it.
    expect(run.code).toBe(1);
    expect(run.stderr).toContain("Remote call to Modal Function (ta-");
    expect(run.stderr).toContain("/root/functions.py:32 in check");
    expect(run.stdout).toContain("out hello\n");
    expect(run.stdout + run.stderr).toContain("err hello\n");
    expect(run.stdout).toContain("✓ Created objects.");
  });
});
