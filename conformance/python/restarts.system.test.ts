// kill -9 of the server while a program runs: it goes on as if nothing had happened.
import { describe, expect, it } from "vitest";
import { clientsFor, TestServer } from "./clients.ts";

const server = new TestServer();

describe.each(clientsFor("rest"))("Python %s", (version) => {
  it.each([
    ["in_a_map", `sum ${Array.from({ length: 40 }, (_, x) => x * x).reduce((a, b) => a + b, 0)}\n`],
    ["in_calls", `sum ${Array.from({ length: 20 }, (_, x) => x * x).reduce((a, b) => a + b, 0)} done\n`],
    ["in_a_call", "call done\n"],
    ["before_anything", "call done\n"],
  ])("restarts: kill -9 %s loses nothing", async (entrypoint, expected) => {
    const client = await server.client(version);
    const run = client.start(["run", `restarts.py::${entrypoint}`]);
    await run.printed("kill now\n");
    await server.process.killNine();
    await server.start();
    const { code, stdout, output } = await run.ended;
    expect(stdout, output).toContain(expected);
    expect(code, output).toBe(0);
  });

  it("restarts: what is deployed is there again, with its minimum of containers", async () => {
    const client = await server.client(version);
    expect((await client.modal(["deploy", "deployed.py"])).code).toBe(0);
    await server.process.killNine();
    await server.start();
    expect((await client.python(["across_versions.py", "stats", "warm", "1"])).output).toContain("reached 1");
    const call = "import modal; print(modal.Function.from_name('deployed', 'version').remote())";
    expect((await client.python(["-c", call])).stdout).toBe("0\n");
  });
});
