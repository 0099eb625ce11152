// What is set on the command line: environments, tokens, profiles, configuration.
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { type Client, clientsFor, describeWithPython, TestServer } from "./clients.ts";

const server = new TestServer();

async function environments(client: Client): Promise<unknown[]> {
  const { code, stdout, output } = await client.modal(["environment", "list", "--json"]);
  expect(code, output).toBe(0);
  return (JSON.parse(stdout) as { name: string }[]).map(({ name }) => name);
}

describeWithPython.each(clientsFor("rest"))("Python %s", (version) => {
  it("managing: environments are made, renamed, used and deleted, with all that is in them", async () => {
    const client = await server.client(version);
    const run = async (expected: number, ...args: string[]) => {
      const { code, output } = await client.modal(args);
      expect(code, output).toBe(expected);
      return output;
    };
    await run(0, "environment", "create", "staging");
    expect(await run(1, "environment", "create", "staging")).toContain('The environment "staging" exists already.');
    await run(0, "environment", "update", "staging", "--set-name", "staged");
    expect(await environments(client)).toEqual(["main", "staged"]);
    expect(await run(0, "run", "--env", "staged", "entrypoints.py::main", "--name", "x")).toContain("in environment staged\n");
    await run(0, "deploy", "--env", "staged", "deployed.py");
    expect(await run(0, "app", "list", "--env", "staged")).toContain("deployed");
    expect(await run(0, "app", "list")).not.toContain("deployed");
    const inside = { env: { MODAL_ENVIRONMENT: "staged" } };
    const call = ["-c", "import modal; print(modal.Function.from_name('deployed', 'version').remote())"];
    expect((await client.python(call, inside)).stdout).toBe("0\n");
    expect((await client.python(call)).stderr).toContain('There is no app "deployed"');
    await run(0, "environment", "delete", "staged", "--yes");
    expect(await environments(client)).toEqual(["main"]);
    expect((await client.python(call, inside)).stderr).toContain('There is no environment "staged"; there are: main.');
    expect(JSON.parse((await client.modal(["container", "list", "--json"])).stdout)).toEqual([]);
    for (const args of [
      ["run", "--env", "nowhere", "entrypoints.py::shout", "--text", "x"],
      ["deploy", "--env", "nowhere", "deployed.py"],
      ["environment", "delete", "nowhere", "--yes"],
    ])
      expect(await run(1, ...args)).toContain('There is no environment "nowhere"');
  });

  it("managing: a token is verified and kept in a profile, which serves from then on", async () => {
    const client = await server.client(version);
    const home = await mkdtemp(join(server.dataDir, "home-"));
    const { MODAL_TOKEN_ID: id = "", MODAL_TOKEN_SECRET: secret = "" } = server.env({});
    const env = { HOME: home, MODAL_TOKEN_ID: undefined, MODAL_TOKEN_SECRET: undefined };
    const run = async (expected: number, ...args: string[]) => {
      const { code, output } = await client.modal(args, { env });
      expect(code, output).toBe(expected);
      return output;
    };
    expect(await run(1, "app", "list")).toContain("Token missing");
    expect(await run(1, "token", "set", "--token-id", id, "--token-secret", "as-wrong", "--profile", "mine")).toContain(
      "is not valid here",
    );
    expect(await run(0, "token", "set", "--token-id", id, "--token-secret", secret, "--profile", "mine")).toContain(
      "Token verified successfully",
    );
    await run(0, "app", "list");
    expect(await run(0, "token", "info")).toContain(id);
    expect(await run(0, "profile", "current")).toContain("mine");
    expect(await run(0, "profile", "list")).toMatch(/mine.*default/);
    expect(await run(1, "profile", "activate", "nowhere")).toContain("nowhere");
    await run(0, "profile", "activate", "mine");
    const shown = await run(0, "config", "show");
    expect(shown).toContain(id);
    expect(shown).not.toContain(secret);
    await run(0, "config", "set-environment", "main");
    expect(await run(1, "config", "set-environment", "nowhere")).toContain('There is no environment "nowhere"');
    await rm(home, { recursive: true });
  });
});
