// Ports of sandboxes and functions, reached from outside: what the official client says of them is where they are.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { resultsOf, runCommand } from "../run-command.ts";
import { cli } from "../server-process.ts";
import { clientsFor, describeWithPython, TestServer } from "./clients.ts";

const server = new TestServer();
const lydian = (...args: string[]) => runCommand(process.execPath, [cli, ...args], { env: server.env({}) });

async function authority(): Promise<string> {
  const { code, stdout, output } = await lydian("tunnel", "ca");
  expect(code, output).toBe(0);
  const path = join(server.dataDir, "ca.pem");
  await writeFile(path, stdout);
  return path;
}

describeWithPython.each(clientsFor("rest"))("Python %s", (version) => {
  it("tunnels: ports of a sandbox", async () => {
    const client = await server.client(version);
    const run = await client.python(["tunnels.py"], { env: { TUNNELS_CA: await authority() } });
    expect(run.code, run.output).toBe(0);
    expect(resultsOf(run)).toEqual({
      ports: "[8000, 8001, 9000]",
      "socket is url": "True",
      get: "/a/path?q=1",
      post: "a body",
      untrusted: "URLError",
      "no tcp": "InvalidError",
      tcp: "(20000000, True)",
      "tls too": "True",
      tls: "through TLS",
      "nobody listens": "RemoteDisconnected",
      "alpn h2": "h2",
      "alpn not h2": "http/1.1",
      "alpn other": "postgresql",
      verified: '{"user": "\\u00fc"}',
      hidden: "[]",
      posted: "True",
      query: "/page?a=1&b=2",
      cookie: "a=b",
      "no token": "401",
      "wrong token": "401",
      "no program": "502",
      "another's token": "401",
      "not allowed": "RemoteDisconnected",
      over: "ConnectionRefusedError",
      "over too": "ConnectionRefusedError",
      "no tunnels": expect.stringMatching(/^(ConflictError|InvalidError)$/),
    });
  });
});

describeWithPython.each(clientsFor("core"))("Python %s", (version) => {
  it("tunnels: ports of a function, while it forwards them", async () => {
    const client = await server.client(version);
    const run = await client.modal(["run", "forwarding.py"], { env: { TUNNELS_CA: await authority() } });
    expect(run.code, run.output).toBe(0);
    expect(resultsOf(run)).toEqual({
      twice: "Port 8000 is already forwarded",
      got: "from the function",
      "at last": "closed",
      "tls after": "ConnectionRefusedError",
      "tcp after": "ConnectionRefusedError",
      outside: "Forwarding ports only works inside a Modal container",
    });
  });
});

describeWithPython("lydian sandbox", () => {
  it("tunnels: the command line says where ports are", async () => {
    const made = await lydian("sandbox", "create", "--tcp-port", "9000", "--port", "8000");
    expect(made.code, made.output).toBe(0);
    const id = made.stdout.trim();
    expect(made.stderr).toMatch(/^port 8000: https:\/\/127\.\S+:\d+$/m);
    expect(made.stderr).toMatch(/^port 9000: https:\/\/127\.\S+:\d+, without TLS 127\.\S+:\d+$/m);
    const listed = JSON.parse((await lydian("sandbox", "tunnels", id, "--json")).stdout) as {
      port: number;
      url: string;
      tcp: string | null;
    }[];
    expect(listed.map(({ port, tcp }) => [port, tcp !== null])).toEqual([
      [8000, false],
      [9000, true],
    ]);
    for (const { port, url } of listed) expect(made.stderr).toContain(`port ${port}: ${url}`);
    expect((await lydian("sandbox", "tunnels", id)).stdout).toMatch(/^PORT +URL +WITHOUT TLS\n8000 +https:/);
    await lydian("sandbox", "terminate", id);
  });
});
