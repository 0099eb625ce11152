// A server that has what the official suites expect to find.
import { join } from "node:path";
import { beforeAll, expect, it } from "vitest";
import { installPython, TestServer } from "../python/clients.ts";
import { type Ended, runCommand } from "../run-command.ts";
import { TestRegistry } from "./test-registry.ts";

/** The suites know tunnels by these names, and where they are. Nobody connects. */
const TUNNELS = ["--tunnel-domain", "*.modal.host", "--tunnel-public-port", "443"];

const PULL = `
import sys, modal
app = modal.App.lookup("pulled", create_if_missing=True)
with modal.enable_output():
    for name in sys.argv[1:]:
        modal.Image.from_registry(name, force_build=True).build(app)
`;

/** To be called once, outside of tests; with a test of its own that the images were pulled. */
export function seededServer(): TestServer {
  const registry = new TestRegistry();
  const server = new TestServer(() => [...registry.flags, ...TUNNELS]);
  let pulled: Ended;

  beforeAll(async () => {
    const [python, before] = await Promise.all([installPython("1.6.4"), installPython("1.1.4")]);
    const env = server.env({});
    const seeded = await runCommand(process.execPath, [join(import.meta.dirname, "../fixtures/seed.mjs"), python, before], { env });
    expect(seeded.code, seeded.output).toBe(0);
    // What the names meant to servers before is forgotten.
    pulled = await runCommand(python, ["-c", PULL, ...registry.names], { env });
  }, 600_000);

  it("is given the registry's images, which were pulled anew", () => {
    for (const name of registry.names) expect(pulled.output).toContain(`Pulling ${name} from ${registry.host}.`);
    expect(pulled.code, pulled.output).toBe(0);
  });
  return server;
}
