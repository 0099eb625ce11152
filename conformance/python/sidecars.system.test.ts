// Further containers of a sandbox.
import { expect, it } from "vitest";
import { clientsFor, describeWithPython, TestServer } from "./clients.ts";

const server = new TestServer();

// Clients before 1.5 have none.
describeWithPython.each(clientsFor("rest").filter((version) => version !== "1.4.3"))("Python %s", (version) => {
  it("sidecars: share the network of their sandbox, and nothing else; they are found, waited for and ended", async () => {
    const client = await server.client(version);
    const { code, stdout, output } = await client.python(["sandboxes/sidecars.py"]);
    expect(code, output).toBe(0);
    expect(JSON.parse(stdout.trim().split("\n").at(-1) ?? ""), output).toEqual({
      environment: ["blue", "swordfish", "/srv"],
      localhost: "from beside",
      "own files": "",
      "own processes": expect.any(Number),
      "none of the others": 0,
      running: null,
      once: 42,
      names: ["web", "quiet"],
      "all names": ["web", "once", "quiet"],
      found: true,
      ended: ["NotFoundError", expect.stringContaining('runs no container "once"')],
      "found ended": 42,
      taken: ["AlreadyExistsError", expect.stringContaining('runs a container "web" already')],
      "no program": ["InvalidError", expect.stringContaining('The container "bad" of the sandbox')],
      alone: ["UnimplementedError", expect.stringContaining("share its network")],
      snapshot: "from beside",
      mounted: "from beside",
      unmounted: ["SandboxFilesystemNotFoundError", expect.stringContaining("/mnt/srv/page.txt")],
      terminated: 137,
      "exec after end": ["ConflictError", expect.stringContaining("It was terminated by a client.")],
      "main goes on": "yes",
      "with the sandbox": ["SandboxTerminatedError", ""],
    });
  });
});
