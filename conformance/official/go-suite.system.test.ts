// The official Go SDK's own tests of functions, classes, calls, secrets and images, against a server of ours. Its JavaScript sibling
// cannot be run like this: what npm has of it is without its tests.
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { hasDebian } from "../debian-files.ts";
import { hasGo } from "../go/environment.ts";
import { describeWithPython, installPython, TestServer } from "../python/clients.ts";
import { type Ended, runCommand } from "../run-command.ts";
import { compileGoTests, type GoRun, runGoTests } from "./go-suite.ts";
import { GROUPS, IMPOSSIBLE, OF_THE_SDK } from "./go-tests.ts";
import { TestRegistry } from "./test-registry.ts";

const VERSION = "0.11.1";
const PULL = `
import sys, modal
app = modal.App.lookup("pulled", create_if_missing=True)
with modal.enable_output():
    for name in sys.argv[1:]:
        modal.Image.from_registry(name, force_build=True).build(app)
`;
const isFull = process.env.LYDIAN_CONFORMANCE === "full";
const names = Object.values(GROUPS).flat();
const impossible = names.filter((name) => name in IMPOSSIBLE);

(hasGo && hasDebian ? describeWithPython : describe.skip)(`Go ${VERSION}`, () => {
  const registry = new TestRegistry();
  const server = new TestServer(() => registry.flags);
  let pulled: Ended;
  let possible: GoRun;
  let others: readonly GoRun[];

  beforeAll(async () => {
    const [program, python, before] = await Promise.all([
      compileGoTests(VERSION, "./test"),
      installPython("1.6.4"),
      installPython("1.1.4"),
    ]);
    const env = server.env({});
    const seeded = await runCommand(process.execPath, [join(import.meta.dirname, "../fixtures/seed.mjs"), python, before], { env });
    expect(seeded.code, seeded.output).toBe(0);
    // What the names meant to servers before is forgotten.
    pulled = await runCommand(python, ["-c", PULL, ...registry.names], { env });
    possible = await runGoTests(
      program,
      names.filter((name) => !(name in IMPOSSIBLE)),
      env,
    );
    // One that panics ends the process: each gets its own.
    others = await Promise.all(impossible.map((name) => runGoTests(program, [name], env)));
  }, 600_000);

  for (const [group, tests] of Object.entries(GROUPS)) {
    for (const name of tests) {
      const reason = IMPOSSIBLE[name];
      it.skipIf(reason !== undefined)(`official suite: ${group}: ${name}${reason === undefined ? "" : `: ${reason}`}`, () => {
        expect(possible.passed.get(name), possible.output).toBe(true);
      });
    }
  }

  it("is given the registry's images, which were pulled anew", () => {
    for (const name of registry.names) expect(pulled.output).toContain(`Pulling ${name} from ${registry.host}.`);
    expect(pulled.code, pulled.output).toBe(0);
  });

  it("leaves nothing open when its own suite ends", () => {
    expect(possible.code, possible.output).toBe(0);
  });

  it("cannot do what the list of the impossible says", () => {
    const passed = impossible.filter((name, index) => others[index]?.passed.get(name) === true);
    expect(passed, "These pass now: take them out of IMPOSSIBLE.").toEqual([]);
    const unknown = Object.keys(IMPOSSIBLE).filter((name) => !impossible.includes(name as (typeof impossible)[number]));
    expect(unknown, "The suite has no such tests.").toEqual([]);
    expect(others.flatMap(({ passed: results }) => [...results.keys()]).toSorted()).toEqual(impossible.toSorted());
  });

  describe("of the SDK itself", () => {
    let run: GoRun;
    beforeAll(async () => {
      if (isFull) run = await runGoTests(await compileGoTests(VERSION, "."), OF_THE_SDK, server.env({}));
    }, 600_000);

    it.skipIf(!isFull).each(OF_THE_SDK)("official suite: variant: %s", (name) => {
      expect(run.passed.get(name), run.output).toBe(true);
    });
  });
});
