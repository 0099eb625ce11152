import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ContextFile } from "./context.ts";
import { planCopy } from "./copy-plan.ts";
import { exclusion } from "./glob.ts";

const files = (...paths: string[]): ContextFile[] =>
  paths.map((path) => ({ path, sha256: "0".repeat(64), mode: 0o644, content: { data: Buffer.alloc(0) } }));
const tree = files("/app/a.txt", "/app/lib/b.txt", "/package.json", "/package-lock.json");
const plan = (sources: string[], destination: string, options: { workdir?: string; isDirectory?: boolean } = {}) =>
  planCopy(tree, { sources, destination, workdir: options.workdir ?? "/", destinationIsDirectory: options.isDirectory ?? false }).map(
    ({ path, file }) => [path, file.path],
  );

describe("planCopy", () => {
  it("copies the whole context with a dot", () => {
    expect(plan(["."], "/")).toEqual([
      ["/app/a.txt", "/app/a.txt"],
      ["/app/lib/b.txt", "/app/lib/b.txt"],
      ["/package-lock.json", "/package-lock.json"],
      ["/package.json", "/package.json"],
    ]);
  });

  it("copies what is in a directory, not the directory", () => {
    expect(plan(["app"], "/srv")).toEqual([
      ["/srv/a.txt", "/app/a.txt"],
      ["/srv/lib/b.txt", "/app/lib/b.txt"],
    ]);
  });

  it("copies a file to a name, or into a directory", () => {
    expect(plan(["package.json"], "/x.json")).toEqual([["/x.json", "/package.json"]]);
    expect(plan(["package.json"], "sub/", { workdir: "/srv" })).toEqual([["/srv/sub/package.json", "/package.json"]]);
    expect(plan(["package.json"], "/etc", { isDirectory: true })).toEqual([["/etc/package.json", "/package.json"]]);
    expect(plan(["package.json"], ".", { workdir: "/srv" })).toEqual([["/srv/package.json", "/package.json"]]);
  });

  it("matches patterns within a component", () => {
    expect(plan(["package*.json"], "/srv/").map(([path]) => path)).toEqual(["/srv/package-lock.json", "/srv/package.json"]);
    expect(plan(["/app/?.[a-u]xt"], "/srv/").map(([path]) => path)).toEqual(["/srv/a.txt"]);
  });

  it("leaves out what is excluded", () => {
    const request = { sources: ["."], destination: "/", workdir: "/", destinationIsDirectory: true };
    const rest = (...patterns: string[]) => planCopy(tree, { ...request, isExcluded: exclusion(patterns) }).map(({ path }) => path);
    expect(rest("**/*.txt")).toEqual(["/package-lock.json", "/package.json"]);
    expect(rest("app/lib", "package*")).toEqual(["/app/a.txt"]);
    expect(rest("*.txt")).toHaveLength(4);
  });

  it("keeps the directories of sources when it is asked to, from /./ on", () => {
    const request = { destination: "/to", workdir: "/", destinationIsDirectory: false, parents: true };
    const parents = (sources: string[]) => planCopy(tree, { ...request, sources }).map(({ path }) => path);
    expect(parents(["app/lib/*.txt", "package.json"])).toEqual(expect.arrayContaining(["/to/package.json"]));
    expect(parents(["app/a.txt"])).toEqual(["/to/app/a.txt"]);
    expect(parents(["./app/a.txt"])).toEqual(["/to/app/a.txt"]);
    expect(parents(["/app/./a.txt"])).toEqual(["/to/a.txt"]);
    expect(parents(["./app/./lib"])).toEqual(plan(["app/lib"], "/to/lib").map(([path]) => path));
  });

  it("names what is wrong", () => {
    expect(() => plan(["nope"], "/")).toThrow(/"nope" is not in the build context; it has e\.g\. \/app\/a\.txt/);
    expect(() => plan(["../x"], "/")).toThrow(/outside of the build context/);
    expect(() => plan(["package*.json"], "/srv")).toThrow(/end the destination with "\/"/);
  });

  it("gives absolute targets in one order, whatever the sources are", () => {
    const source = fc.constantFrom(".", "app", "app/lib", "package.json", "*.json", "*");
    fc.assert(
      fc.property(fc.array(source, { minLength: 1, maxLength: 3 }), fc.constantFrom("/", "/srv/", "x/"), (sources, destination) => {
        const paths = plan(sources, destination, { workdir: "/w" }).map(([path]) => path as string);
        expect(paths).toEqual([...new Set(paths)].sort());
        for (const path of paths) expect(path.startsWith(destination.startsWith("/") ? destination : `/w/${destination}`)).toBe(true);
      }),
    );
  });
});
