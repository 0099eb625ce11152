import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Container, ContainerHost, ContainerSpec } from "../host.ts";
import { inspectPython, parseAnswer } from "./inspect-python.ts";

const said = { version: "3.11.2", libc: "glibc 2.36", executable: "/usr/bin/python3.11" };

describe("inspectPython", () => {
  let dir: string;
  const started: ContainerSpec[] = [];
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), "lydian-inspect-"));
    started.length = 0;
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));

  /** A host whose containers print `answers` by program and otherwise fail. */
  const hostOf = (answers: Readonly<Record<string, string>>): ContainerHost => {
    const start = async (spec: ContainerSpec): Promise<Container> => {
      started.push(spec);
      const text = answers[spec.command[0] ?? ""];
      const container: Partial<Container> = {
        output: (async function* () {
          yield { stream: "stdout" as const, data: Buffer.from(text ?? "pyenv: no version is set\n") };
        })(),
        exited: Promise.resolve({ code: text === undefined ? 127 : 0, oomKilled: false }),
        remove: async () => {},
      };
      return container as Container;
    };
    return { features: { images: true }, start } as unknown as ContainerHost;
  };
  const mark = `noise\nlydian-python:${JSON.stringify(said)}\n`;

  it("starts nothing for an image without Python", async () => {
    expect(await inspectPython(hostOf({}), { layers: [dir], env: {} })).toBeUndefined();
    expect(started).toEqual([]);
  });

  it("asks what is first on the path, and python3 when python does not work", async () => {
    await mkdir(join(dir, "opt/shims"), { recursive: true });
    await mkdir(join(dir, "usr/bin"), { recursive: true });
    await writeFile(join(dir, "opt/shims/python"), "");
    await writeFile(join(dir, "usr/bin/python3.11"), "");
    await symlink("python3.11", join(dir, "usr/bin/python3"));
    const image = { layers: [dir], env: { PATH: "/opt/shims:/usr/bin" } };
    expect(await inspectPython(hostOf({ "/usr/bin/python3": mark }), image)).toEqual(said);
    expect(started.map(({ command }) => command[0])).toEqual(["/opt/shims/python", "/usr/bin/python3"]);
    expect(started.every(({ network }) => network === "none")).toBe(true);
  });
});

describe("parseAnswer", () => {
  it("takes nothing but a whole answer", () => {
    expect(parseAnswer("lydian-python:{")).toBeUndefined();
    expect(parseAnswer('lydian-python:{"version":"x"}')).toBeUndefined();
    expect(parseAnswer("")).toBeUndefined();
  });
});
