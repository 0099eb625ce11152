// What is deployed, what becomes of it, and how others call it.
import { expect, it } from "vitest";
import { resultsOf } from "../run-command.ts";
import { type Client, clientsFor, describeWithPython, TestServer } from "./clients.ts";

const server = new TestServer();

/** Results of `--json`, whose keys are spelled differently from version to version. */
async function list(client: Client, ...args: string[]): Promise<Record<string, unknown>[]> {
  const { code, stdout, output } = await client.modal([...args, "--json"]);
  expect(code, output).toBe(0);
  const rows = JSON.parse(stdout) as Record<string, unknown>[];
  return rows.map((row) => Object.fromEntries(Object.entries(row).map(([key, value]) => [key.toLowerCase().replaceAll(" ", "_"), value])));
}

const VERSION_OF = "import modal; print(modal.Function.from_name('deployed', 'version').remote())";

describeWithPython.each(clientsFor("core"))("Python %s", (version) => {
  it("deploying: functions and classes are found by name and called", async () => {
    const client = await server.client(version);
    const deploy = await client.modal(["deploy", "deployed.py"]);
    expect(deploy.code, deploy.output).toBe(0);
    expect(deploy.output).toContain("App deployed in");
    const calls = await client.python(["calls_deployed.py"]);
    expect(calls.code, calls.output).toBe(0);
    expect(resultsOf(calls), calls.output).toEqual({
      version: "0",
      echo: "((1,), {'two': 2})",
      generator: "[0, 1, 2]",
      map: "[(1, '1'), (2, '2')]",
      spawn: "0",
      class: "hello nobody of 0",
      "class with parameters": "hi you of 0",
      "class with options": "hello them of 0",
      app: "ap-",
      stats: "True",
      "web url": "",
      update_autoscaler: "None",
      "update_autoscaler of an object": "None",
      "wrong bounds": expect.stringMatching(/^InvalidError: .* at least 3 and at most 2 containers/),
      "no app": expect.stringMatching(/^NotFoundError: .*There is no app "nowhere"/),
      "no function": expect.stringMatching(/^NotFoundError: .*The app "deployed" has no function "nothing"/),
      "no class": expect.stringMatching(/^NotFoundError: .*The app "deployed" has no class "Nothing"/),
      "no method": expect.stringMatching(/^NotFoundError: Class has no method `nothing`/),
      "class as function": expect.stringMatching(/^NotFoundError: .*(is a modal.Cls|is a class of the app)/),
      "function as class": expect.stringMatching(/^NotFoundError: .*The app "deployed" has no class "version"/),
      "method as function": expect.stringMatching(/^InvalidError: /),
      "no environment": expect.stringMatching(/^NotFoundError: .*There is no environment "nowhere"/),
      "no call": expect.stringMatching(/^NotFoundError: There is no function call "fc-0/),
      "no app to look up": expect.stringMatching(/^NotFoundError: There is no app "nowhere"/),
      "lookup makes one": "ap-",
    });
    const again = await client.modal(["deploy", "--tag", "v2.0", "deployed.py"], { env: { VERSION: "2" } });
    expect(again.code, again.output).toBe(0);
    expect((await client.python(["-c", VERSION_OF])).stdout).toBe("2\n");
    expect((await client.modal(["app", "rollback", "deployed"])).code).toBe(0);
    expect((await client.python(["-c", VERSION_OF])).stdout).toBe("0\n");
    const history = await list(client, "app", "history", "deployed");
    expect(history.slice(0, 3).map(({ tag }) => tag)).toEqual(
      [null, "v2.0", null].map((tag) => (tag === null ? expect.toSatisfy((x) => !x) : tag)),
    );
    const stop = await client.modal(["app", "stop", "deployed", "--yes"]);
    expect(stop.code, stop.output).toBe(0);
    const after = await client.python(["-c", VERSION_OF]);
    expect(after.code).toBe(1);
    expect(after.stderr).toMatch(/NotFoundError: .*none is deployed under this name/s);
    expect(await list(client, "container", "list")).toEqual([]);
  });
});

describeWithPython.each(clientsFor("rest"))("Python %s", (version) => {
  it("deploying: calls that run when a version is replaced end on their own version", async () => {
    const client = await server.client(version);
    expect((await client.modal(["deploy", "deployed.py"], { env: { VERSION: "a" } })).code).toBe(0);
    const rolling = await client.python(["across_versions.py", "deploy"], { env: { VERSION: "b" } });
    expect(rolling.output).toContain("new b\nold a\n");
    const recreated = await client.python(["across_versions.py", "deploy", "--strategy", "recreate"], { env: { VERSION: "c" } });
    // Its container is told to stop: it ends its input within the grace, or that runs again on a new one.
    expect(recreated.output).toMatch(/Terminating running containers[\s\S]*new c\nold [bc]\n/);
  });

  it("deploying: minimums of containers are kept, and changed", async () => {
    const client = await server.client(version);
    expect((await client.modal(["deploy", "deployed.py"])).code).toBe(0);
    const reached = async (count: number) =>
      expect((await client.python(["across_versions.py", "stats", "warm", String(count)])).output).toContain(`reached ${count}`);
    await reached(1);
    const update =
      "import modal, sys; modal.Function.from_name('deployed', 'warm').update_autoscaler(min_containers=int(sys.argv[1]), scaledown_window=2)";
    expect((await client.python(["-c", update, "3"])).code).toBe(0);
    await reached(3);
    expect((await client.python(["-c", update, "0"])).code).toBe(0);
    await reached(0);
    // Until the next deployment.
    expect((await client.modal(["deploy", "deployed.py"])).code).toBe(0);
    await reached(1);
  });

  it("deploying: apps are listed, logged, rolled back, rolled over and stopped", async () => {
    const client = await server.client(version);
    for (const tag of ["one", "two"]) {
      const deploy = await client.modal(["deploy", "--name", "managed", "--tag", tag, "deployed.py"], { env: { VERSION: tag } });
      expect(deploy.code, deploy.output).toBe(0);
      const of = "import modal; print(modal.Function.from_name('managed', 'version').remote())";
      expect((await client.python(["-c", of])).stdout).toBe(`${tag}\n`);
    }
    const apps = await list(client, "app", "list");
    expect(apps.find(({ description }) => description === "managed")).toMatchObject({ state: "deployed" });
    const logs = await client.modal(["app", "logs", "managed"]);
    expect(logs.stdout, logs.output).toContain("version one\nversion two\n");
    expect((await client.modal(["app", "rollback", "managed", "v1"])).code).toBe(0);
    const never = await client.modal(["app", "rollback", "managed", "v99"]);
    expect(never.code).toBe(1);
    expect(never.output).toContain("Version 99 of the app");
    expect((await client.modal(["app", "rollover", "managed"])).code).toBe(0);
    const history = await list(client, "app", "history", "managed");
    expect(history.map((row) => [row.version, row.tag])).toEqual([
      ["v4", "one"],
      ["v3", "one"],
      ["v2", "two"],
      ["v1", "one"],
    ]);
    if (version === "1.6.4") {
      const info = await client.modal(["app", "info", "managed"]);
      expect(info.stdout, info.output).toMatch(/v4.*Greeter\.\*.*version/s);
    }
    expect((await client.modal(["app", "stop", "managed", "--yes"])).code).toBe(0);
    expect((await list(client, "app", "list")).find(({ description }) => description === "managed")).toMatchObject({ state: "stopped" });
    for (const args of [
      ["stop", "nowhere", "--yes"],
      ["logs", "nowhere"],
      ["history", "nowhere"],
      ["rollback", "nowhere"],
    ]) {
      const { code, output } = await client.modal(["app", ...args]);
      expect(code, output).toBe(1);
      expect(output).toContain("No App with name 'nowhere' found in the 'main' environment.");
    }
  });

  it("deploying: containers are listed, logged and stopped", async () => {
    const client = await server.client(version);
    expect((await client.modal(["deploy", "deployed.py"])).code).toBe(0);
    const spawned = client.start(["run", "entrypoints.py::wait"]);
    await spawned.printed("it runs\n");
    const containers = await list(client, "container", "list");
    const { container_id: id } = containers.find(({ app_name }) => app_name === "entrypoints") ?? {};
    expect(id).toMatch(/^ta-/);
    expect((await client.modal(["container", "logs", String(id)])).stdout).toContain("it runs\n");
    const stop = await client.modal(["container", "stop", String(id), "--yes"]);
    expect(stop.code, stop.output).toBe(0);
    // Its input runs again elsewhere.
    await spawned.printed(/it runs\n[\s\S]*it runs\n/);
    spawned.process.kill("SIGINT");
    await spawned.ended;
    for (const command of [["logs"], ["stop", "--yes"]]) {
      const { code, output } = await client.modal(["container", ...command, "ta-nothing"]);
      expect(code).toBe(1);
      expect(output).toContain('There is no container "ta-nothing"');
    }
  });
});
