// kill -9 of the server while a program runs: it goes on as if nothing had happened.
import { expect, it } from "vitest";
import { clientsFor, describeWithPython, TestServer } from "./clients.ts";

const server = new TestServer();

describeWithPython.each(clientsFor("rest"))("Python %s", (version) => {
  const squares = (count: number) => Array.from({ length: count }, (_, x) => x * x).reduce((a, b) => a + b, 0);
  it.each([
    ["in_a_map", `sum ${squares(40)}\n`],
    ["in_calls", `sum ${squares(20)} done\n`],
    ["in_a_generator", "counted 0 1 2 3 4\n"],
    ["before_anything", "call done\n"],
  ] as const)("restarts: a crash of the server %s is not seen", async (entrypoint, expected) => {
    const client = await server.client(version);
    const run = client.start(["run", `restarts.py::${entrypoint}`]);
    await run.printed("now\n");
    await server.process.crash();
    const { code, stdout, output } = await run.ended;
    expect(stdout, output).toContain(expected);
    expect(code, output).toBe(0);
  });

  // Without anybody at its port, the client gives up within a second or two: what was accepted is done all the same.
  it("restarts: the end of the whole server loses neither calls nor deployments", async () => {
    const client = await server.client(version);
    expect((await client.modal(["deploy", "deployed.py"])).code).toBe(0);
    const spawn = "import modal; f = modal.Function.from_name('deployed', 'echo'); print(*(f.spawn(x).object_id for x in range(20)))";
    const ids = (await client.python(["-c", spawn])).stdout.trim().split(" ");
    await server.process.killNine();
    await server.start();
    const gather = "import modal, sys; print([modal.FunctionCall.from_id(id).get()[0][0] for id in sys.argv[1:]])";
    const gathered = await client.python(["-c", gather, ...ids]);
    expect(gathered.stdout, gathered.output).toBe(`[${ids.map((_, x) => x).join(", ")}]\n`);
    expect((await client.python(["across_versions.py", "stats", "warm", "1"])).output).toContain("reached 1");
    const call = "import modal; print(modal.Function.from_name('deployed', 'version').remote())";
    expect((await client.python(["-c", call])).stdout).toBe("0\n");
  });
});
