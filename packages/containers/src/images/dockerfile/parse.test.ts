import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ImageError } from "../errors.ts";
import { parseDockerfile, SERVED_INSTRUCTIONS } from "./parse.ts";
import { neededStages } from "./stages.ts";
import { parseArgs, parsePairs, parsePorts, parseUser, parseWorkdir } from "./values.ts";
import { expandVariables, splitWords } from "./words.ts";

const unset = (): undefined => undefined;
const parse = (...lines: string[]) => parseDockerfile(lines.join("\n"));

/** What Python's shlex.quote and our SDK do with a value. */
const shellQuote = (value: string): string => `'${value.replaceAll("'", `'"'"'`)}'`;

describe("parseDockerfile", () => {
  it("reads what the SDK sends", () => {
    const instructions = parse("FROM node:24-slim", "RUN apt-get update && apt-get install -y jq", "ENV A=1", "COPY . /");
    expect(instructions.map((instruction) => [instruction.kind, instruction.line])).toEqual([
      ["from", 1],
      ["run", 2],
      ["env", 3],
      ["copy", 4],
    ]);
  });

  it("joins continuations and leaves out comments inside them", () => {
    const [, run] = parse("# syntax=docker/dockerfile:1", "from debian:12-slim", "RUN echo a && \\", "  # a comment", "", "  echo b");
    expect(run).toMatchObject({ kind: "run", command: { form: "shell", script: "echo a &&   echo b" }, line: 3 });
  });

  it("takes the exec form only when it is an array of strings", () => {
    const [, exec, shell] = parse("FROM scratch", 'RUN ["/bin/true", "x"]', "RUN [ -f /x ] && echo");
    expect(exec).toMatchObject({ command: { form: "exec", args: ["/bin/true", "x"] } });
    expect(shell).toMatchObject({ command: { form: "shell", script: "[ -f /x ] && echo" } });
  });

  it("runs the body of a lone here-document and leaves others to the shell", () => {
    const [, body, shell] = parse(
      "FROM scratch",
      "RUN <<EOF",
      "set -e",
      "echo $HOME",
      "EOF",
      "RUN cat <<'X' > /x && echo done",
      "a $b",
      "X",
    );
    expect(body).toMatchObject({ command: { form: "shell", script: "set -e\necho $HOME\n" } });
    expect(shell).toMatchObject({ command: { form: "shell", script: "cat <<'X' > /x && echo done\na $b\nX\n" } });
  });

  it.each([
    ["LINK x", /Line 2 .*LINK x.* is not served\. Served are FROM/],
    ["RUN", /Line 2 .*no argument/],
    ["RUN --mount=type=secret,id=x true", /secrets of the image reach RUN/],
    ["RUN --mount=type=cache true", /no target/],
    ["RUN --mount=type=nfs,target=/x true", /bind, cache and tmpfs/],
    ["RUN --security=insecure true", /--security=insecure/],
    ["RUN --mount=type=tmpfs,target=/x", /no command/],
    ["COPY --from=0 /a /b", /stage 0, which does not come before/],
    ["ADD --parents a b", /--parents, which only COPY has/],
    ["COPY --parents --from=x a b", /served for files of the build context/],
    ["ADD --from=x a b", /--from/],
    ["COPY --chmod=rwx a b", /octal/],
    ["COPY a", /a source and a destination|at least one source/],
    ["ADD https://example.com/x /x", /fetch in a RUN/],
    ["FROM --platform=windows/amd64 debian", /platform windows/],
    ["FROM debian builder", /FROM image AS name/],
    ["SHELL bash", /JSON array/],
    ["ENV A", /NAME=value/],
    ["ENV A='x", /single quote is never closed/],
    ['LABEL a="x', /double quote is never closed/],
    ["ENV A=${B", /never closed/],
    [`ENV A=\${B#x}`, /not served/],
    ["USER a b:c:d", /not a user/],
    ["RUN <<EOF\nx", /never closed by a line "EOF"/],
  ])("refuses %s with the line and the reason", (line, message) => {
    expect(() => parse("FROM scratch", line)).toThrow(message);
    expect(() => parse("FROM scratch", line)).toThrow(ImageError);
  });

  it("reads stages, where they copy from, and mounts", () => {
    const instructions = parse(
      "FROM --platform=$BUILDPLATFORM debian:12-slim AS Build",
      "RUN --mount=type=cache,target=/root/.cache,id=x --mount=source=/a,target=b,rw true",
      "FROM scratch",
      "COPY --from=build --link --chown=1:1 --exclude=*.md /a /b",
    );
    expect(instructions).toMatchObject([
      { kind: "from", image: "debian:12-slim", as: "build" },
      {
        kind: "run",
        mounts: [
          { type: "cache", target: "/root/.cache", writable: true },
          { type: "bind", source: "/a", target: "b", writable: true },
        ],
        command: { script: "true" },
      },
      { kind: "from", image: "scratch" },
      { kind: "copy", from: "build", chown: "1:1", exclude: ["*.md"], paths: "/a /b" },
    ]);
  });

  it("builds only the stages that the last one needs", () => {
    const text = [
      "FROM a AS one",
      "FROM b AS two",
      "FROM one AS three",
      "RUN --mount=from=0,target=/x true",
      "FROM scratch",
      "COPY --from=2 / /",
    ];
    expect([...neededStages(parse(...text))].sort()).toEqual([0, 2, 3]);
    expect([...neededStages(parse("FROM a AS one", "FROM $X"))].sort()).toEqual([0, 1]);
    expect([...neededStages(parse("FROM a", "FROM ghcr.io/x:1"))]).toEqual([1]);
  });

  it("leaves out what means nothing here, and reads the escape directive", () => {
    const [, health, volume, run] = parse(
      "# syntax=x",
      "# escape=`",
      "FROM scratch",
      "HEALTHCHECK NONE",
      "VOLUME /x",
      "RUN echo `",
      "  C:\\",
    );
    expect([health?.kind, volume?.kind]).toEqual(["ignored", "ignored"]);
    expect(run).toMatchObject({ command: { script: "echo   C:\\" } });
  });

  it("refuses files without FROM or with something before it", () => {
    expect(() => parse("")).toThrow(/no FROM/);
    expect(() => parse("RUN true", "FROM scratch")).toThrow(/Line 1 .*before FROM/);
    expect(parse("ARG V=24", `FROM node:\${V}-slim`)).toHaveLength(2);
  });

  it("answers any text with instructions or an ImageError", () => {
    const keyword = fc.constantFrom(...SERVED_INSTRUCTIONS, "NOPE", "");
    const line = fc.tuple(keyword, fc.string()).map(([word, rest]) => `${word} ${rest}`);
    fc.assert(
      fc.property(fc.array(line, { maxLength: 8 }), (lines) => {
        try {
          expect(parseDockerfile(["FROM scratch", ...lines].join("\n")).length).toBeGreaterThan(0);
        } catch (error) {
          expect(error).toBeInstanceOf(ImageError);
        }
      }),
    );
  });
});

describe("words", () => {
  it("gives back any value that was quoted for a shell", () => {
    const value = fc.string().filter((text) => !text.includes("\n") && !text.includes("\0"));
    fc.assert(fc.property(value, (text) => void expect(parsePairs(`A=${shellQuote(text)}`, unset).get("A")).toBe(text)));
    fc.assert(fc.property(fc.array(value), (texts) => void expect(splitWords(texts.map(shellQuote).join(" "), unset)).toEqual(texts)));
  });

  it("replaces variables outside single quotes", () => {
    const lookup = (name: string) => ({ A: "1", EMPTY: "" })[name];
    expect(splitWords(`$A "\${A}x" '$A' \\$A \${B:-d$A} \${A:+set} \${EMPTY:-e} $ "a b"`, lookup)).toEqual([
      "1",
      "1x",
      "$A",
      "$A",
      "d1",
      "set",
      "e",
      "$",
      "a b",
    ]);
    expect(splitWords(`\${EMPTY-d}x \${NONE-d} \${EMPTY+s} \${A:?m}`, lookup)).toEqual(["x", "d", "s", "1"]);
    expect(() => splitWords(`\${NONE:?say why}`, lookup)).toThrow("NONE: say why");
    expect(expandVariables(`a $A \\$A 'x' \${A}`, lookup)).toBe("a 1 $A 'x' 1");
  });
});

describe("values", () => {
  it("reads pairs in both forms", () => {
    expect([...parsePairs('A=1 B="x y" C=a\\ b', unset)]).toEqual([
      ["A", "1"],
      ["B", "x y"],
      ["C", "a b"],
    ]);
    expect([...parsePairs("GREETING hello  world", unset)]).toEqual([["GREETING", "hello  world"]]);
  });

  it("resolves working directories against the current one", () => {
    expect(parseWorkdir("app", "/srv", unset)).toBe("/srv/app");
    expect(parseWorkdir("../../..", "/srv", unset)).toBe("/");
    expect(parseWorkdir("/x/", "/srv", unset)).toBe("/x");
  });

  it("reads users, arguments and ports", () => {
    expect(parseUser("1000:1000", unset)).toBe("1000:1000");
    expect([...parseArgs("A B=2", unset)]).toEqual([
      ["A", undefined],
      ["B", "2"],
    ]);
    expect(parsePorts("80 8000-8010/udp", unset)).toEqual(["80/tcp", "8000-8010/udp"]);
    expect(() => parsePorts("99999", unset)).toThrow(/not a port/);
  });
});
