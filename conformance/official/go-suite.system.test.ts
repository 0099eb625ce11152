// The official Go SDK's own tests of functions, classes, calls, secrets, images and sandboxes, against a server of ours.
import { beforeAll, describe, expect, it } from "vitest";
import { hasDebian } from "../debian-files.ts";
import { hasGo } from "../go/environment.ts";
import { describeWithPython } from "../python/clients.ts";
import { compileGoTests, type GoRun, runGoTests } from "./go-suite.ts";
import { GROUPS, IMPOSSIBLE, OF_FILES, OF_FILES_WATCHED, OF_THE_SDK } from "./go-tests.ts";
import { seededServer } from "./seeded-server.ts";

const VERSION = "0.11.1";
/** Where the suite's own packages look: the SDK's does not say so itself. */
const LIBMODAL = { env: { MODAL_ENVIRONMENT: "libmodal" } };
const isFull = process.env.LYDIAN_CONFORMANCE === "full";
const names = Object.values(GROUPS).flat();
const impossible = names.filter((name) => name in IMPOSSIBLE);

(hasGo && hasDebian ? describeWithPython : describe.skip)(`Go ${VERSION}`, () => {
  const server = seededServer();
  let program: string;
  let possible: GoRun;

  beforeAll(async () => {
    program = await compileGoTests(VERSION, "./test");
    const wanted = names.filter((name) => !(name in IMPOSSIBLE));
    possible = await runGoTests(program, wanted, server.env({}));
  }, 600_000);

  for (const [group, tests] of Object.entries(GROUPS)) {
    for (const name of tests) {
      const reason = IMPOSSIBLE[name];
      it.skipIf(reason !== undefined)(`official ${group}: ${name}${reason === undefined ? "" : `: ${reason}`}`, () => {
        expect(possible.passed.get(name), possible.output).toBe(true);
      });
    }
  }

  it("leaves nothing open when its own suite ends", () => {
    expect(possible.code, possible.output).toBe(0);
  });

  it.skipIf(!isFull)("cannot do what the list of the impossible says", async () => {
    const env = server.env({});
    // One that panics ends the process: each gets its own.
    const others: GoRun[] = [];
    for (const name of impossible) others.push(await runGoTests(program, [name], env));
    const passed = impossible.filter((name, index) => others[index]?.passed.get(name) === true);
    expect(passed, "These pass now: take them out of IMPOSSIBLE.").toEqual([]);
    expect(others.flatMap(({ passed: results }) => [...results.keys()]).toSorted()).toEqual(impossible.toSorted());
  });

  it("has the tests that the list of the impossible names", () => {
    const unknown = Object.keys(IMPOSSIBLE).filter((name) => !impossible.includes(name as (typeof impossible)[number]));
    expect(unknown, "The suite has no such tests.").toEqual([]);
  });

  describe("of files", () => {
    let run: GoRun;
    beforeAll(async () => {
      const tests = (isFull ? [...OF_FILES, ...OF_FILES_WATCHED] : OF_FILES).map((name) => `TestSandboxFsE2e${name}`);
      run = await runGoTests(await compileGoTests(VERSION, ".", "integration"), tests, server.env(LIBMODAL), { parallel: 8 });
    }, 600_000);

    const passes = (name: string) => expect(run.passed.get(`TestSandboxFsE2e${name}`), run.output).toBe(true);
    it.each(OF_FILES)("official files: %s", passes);
    it.skipIf(!isFull).each(OF_FILES_WATCHED)("official files: %s", passes);
  });

  describe("of the SDK itself", () => {
    let run: GoRun;
    beforeAll(async () => {
      if (isFull) run = await runGoTests(await compileGoTests(VERSION, "."), OF_THE_SDK, server.env({}));
    }, 600_000);

    it.skipIf(!isFull).each(OF_THE_SDK)("official functions: %s", (name) => {
      expect(run.passed.get(name), run.output).toBe(true);
    });
  });
});
