// The official JavaScript SDK's own tests of functions, classes, calls, secrets, images and sandboxes, against a server of ours: with the
// package of npm and, when everything is asked for, with the sources beside the suite, which still use the first generation of sandboxes.
import { beforeAll, describe, expect, it } from "vitest";
import { hasDebian } from "../debian-files.ts";
import { describeWithPython } from "../python/clients.ts";
import { hasJsSuite, type JsRun, OF_THE_SOURCES, runJsTests } from "./js-suite.ts";
import { GROUPS, IMPOSSIBLE, IMPOSSIBLE_WITH, OF_FILES, OF_FILES_WATCHED } from "./js-tests.ts";
import { seededServer } from "./seeded-server.ts";

const isFull = process.env.LYDIAN_CONFORMANCE === "full";
// In less than the whole the Go suite's tests of files stand for these, which are the same.
const files = isFull ? [...OF_FILES, ...OF_FILES_WATCHED].map((name) => `SandboxFsE2e${name}`) : [];
const names: readonly string[] = [...Object.values(GROUPS).flat(), ...files];

(hasJsSuite && hasDebian ? describeWithPython : describe.skip)("the official JavaScript suite", () => {
  const server = seededServer();

  describe.each(isFull ? ["0.11.1", OF_THE_SOURCES] : ["0.11.1"])("JavaScript %s", (version) => {
    const reasons = { ...IMPOSSIBLE, ...IMPOSSIBLE_WITH[version] };
    let run: JsRun;
    beforeAll(async () => {
      run = await runJsTests(
        version,
        names.filter((name) => !(name in reasons)),
        server.env({}),
      );
    }, 900_000);

    const passes = (name: string) => expect(run.passed.get(name), run.output).toBe(true);
    for (const [group, tests] of Object.entries(GROUPS)) {
      for (const name of tests) {
        const reason = reasons[name];
        it.skipIf(reason !== undefined)(`official ${group}: ${name}${reason === undefined ? "" : `: ${reason}`}`, () => passes(name));
      }
    }
    it.skipIf(!isFull).each([...OF_FILES, ...OF_FILES_WATCHED])("official files: %s", (name) => passes(`SandboxFsE2e${name}`));

    it.skipIf(!isFull)(
      "cannot do what the list of the impossible says",
      async () => {
        const impossible = Object.keys(reasons);
        const { passed } = await runJsTests(version, impossible, server.env({}));
        expect(
          [...passed].filter(([, ok]) => ok).map(([name]) => name),
          "These pass now: take them out of IMPOSSIBLE.",
        ).toEqual([]);
        expect([...passed.keys()].toSorted()).toEqual(impossible.toSorted());
      },
      600_000,
    );
  });
});
