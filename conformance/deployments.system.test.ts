import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { TestServer } from "./python/clients.ts";
import { type Ended, resultsOf, runCommand } from "./run-command.ts";
import { cli } from "./server-process.ts";

const apps = join(import.meta.dirname, "apps/deployed");
const server = new TestServer();

const lydian = (...args: string[]): Promise<Ended> => runCommand(process.execPath, [cli, ...args], { env: server.env({}) });
const deploy = (file: string, ...flags: string[]) => lydian("deploy", join(apps, file), ...flags);

/** From a process of its own. */
async function call(...words: string[]): Promise<unknown> {
  const { stdout, output } = await runCommand(process.execPath, [join(apps, "call.mjs"), ...words], { env: server.env({}) });
  expect(stdout, output).not.toBe("");
  return JSON.parse(stdout);
}
const greeting = () => call("shop", "greet", "remote", '["Ada"]');

describe("a TypeScript app", () => {
  it("is deployed, called by name, deployed anew, rolled back and stopped", async () => {
    const first = await deploy("first.ts", "--tag", "one");
    expect(first.code, first.output).toBe(0);
    expect(first.stdout).toContain("shop is deployed as v1");
    expect(first.stdout).toContain('Function.fromName("shop", "greet")');
    expect(await greeting()).toBe("Hello, Ada");
    expect(await call("shop", "greet", "map", '[["a","b"]]')).toEqual(["Hello, a", "Hello, b"]);
    expect(await call("shop", "numbers", "remoteGen", "[3]")).toEqual([0, 1, 2]);
    expect(await call("shop", "greet", "remote", '[""]')).toMatchObject({ class: "RangeError", message: "nobody is called that" });
    expect(await call("shop", "Till.bill", "remote", "[4]", '{"city":"Rome"}')).toBe("8 in Rome");
    expect(await call("shop", "great")).toMatchObject({ class: "NotFoundError", hint: expect.stringContaining("greet") });
    expect((await lydian("app", "logs", "shop")).stdout).toContain("greeting Ada");

    const second = await deploy("second.ts", "--json");
    expect(second.code, second.output).toBe(0);
    const events = second.stdout.trim().split("\n");
    expect(JSON.parse(events.at(-1) ?? "")).toMatchObject({ type: "deployed", name: "shop", version: 2, functions: ["greet", "twice"] });
    expect(await greeting()).toBe("Welcome, Ada");
    expect(await call("shop", "twice", "remote", '["Bo"]')).toEqual(["Welcome, Bo", "Welcome, Bo"]);
    expect(await call("shop", "numbers", "remoteGen", "[3]")).toMatchObject({ class: "NotFoundError" });

    const broken = await deploy("broken.ts");
    expect(broken.code).toBe(1);
    expect(await greeting()).toBe("Welcome, Ada");

    expect((await lydian("app", "rollback", "shop", "v1")).code).toBe(0);
    expect(await greeting()).toBe("Hello, Ada");
    const history = JSON.parse((await lydian("app", "history", "shop", "--json")).stdout);
    expect(history).toMatchObject([
      { version: 3, rollback_of: 1, tag: "one" },
      { version: 2, rollback_of: null, tag: "" },
      { version: 1, rollback_of: null, tag: "one" },
    ]);

    expect((await lydian("app", "stop", "shop")).code).toBe(0);
    expect(await greeting()).toMatchObject({ class: "NotFoundError", message: expect.stringContaining('There is no app "shop"') });
    const listed = JSON.parse((await lydian("app", "list", "--json")).stdout);
    expect(listed).toMatchObject([{ name: "shop", state: "stopped" }]);
  });

  it("is called by the official client, by position and by name", async () => {
    expect((await deploy("first.ts")).code).toBe(0);
    const client = await server.client("1.6.4");
    const ended = await client.python(["calls_typescript.py"]);
    expect(resultsOf(ended), ended.output).toEqual({
      positional: "Hello, Ada",
      named: "Bye, Bo",
      map: "['Hello, a', 'Hello, b']",
      generator: "[0, 1, 2]",
      thrown: "RemoteError RangeError: nobody is called that",
      misnamed: expect.stringContaining('there is no parameter "nme": the function takes name, word'),
    });
  });

  it("calls functions of Python, with named arguments, and gets their exceptions", async () => {
    const client = await server.client("1.6.4");
    const deployed = await client.modal(["deploy", "scale.py"]);
    expect(deployed.code, deployed.output).toBe(0);
    expect(await call("scales", "scale", "remote", "[3]")).toEqual({ value: 6, pair: [3, 2] });
    expect(await call("scales", "scale", "remote", "[3]", '{"factor":5}')).toEqual({ value: 15, pair: [3, 5] });
    expect(await call("scales", "numbers", "remoteGen", "[2]")).toEqual([0, 1]);
    expect(await call("scales", "Scale.weigh", "remote", "[3]", '{"name":"big","factor":4}')).toBe("big: 12");
    expect(await call("scales", "Scale.weigh", "remote", "[3]", '{"name":"small"}')).toBe("small: 6");
    expect(await call("scales", "fails")).toMatchObject({
      class: "RemoteError",
      remoteName: "KeyError",
      message: "KeyError('no such scale')",
    });
  });
});
