import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { InvalidError } from "../errors.ts";
import { Secret } from "../secret.ts";
import { Image } from "./image.ts";

const lines = (image: Image): string[] =>
  image.steps.map((step) => (step.kind === "line" ? step.line : `COPY ${step.files.local} ${step.files.remote}`));
const lastLine = (image: Image): string => lines(image).at(-1) ?? "";
/** What a shell makes of the words after RUN. */
const shell = (line: string): string => execFileSync("sh", ["-c", line.replace(/^RUN /, "")], { encoding: "utf8", stdio: "pipe" });

describe("Image", () => {
  it("begins with Debian and Node", () => {
    expect(Image.node().base).toBe("node:24-slim");
    expect(Image.node("22.11.0").base).toBe("node:22.11.0-slim");
    expect(Image.debianSlim().base).toBe("node:24-slim");
    expect(Image.debianSlim({ node: "20" }).base).toBe("node:20-slim");
    expect(Image.debianSlim({ node: false }).base).toBe("debian:bookworm-slim");
    expect(Image.fromRegistry("registry.example.com:5000/team/tools@sha256:0f").base).toBe(
      "registry.example.com:5000/team/tools@sha256:0f",
    );
  });

  it("begins with one that the server has", () => {
    const image = Image.fromId("im-01ABC");
    expect(image).toMatchObject({ baseId: "im-01ABC", steps: [] });
    expect(image.env({ A: "1" }).addLocalFile("a", "/a").addLocalFile("b", "/b", { copy: true }).baseId).toBe("im-01ABC");
    expect(() => Image.fromId("01ABC")).toThrow('"01ABC" is not an id of an image');
  });

  it.each(["", "lts", "24-alpine", "24.1.2.3", "24\nUSER x"])("refuses the Node version %j", (version) => {
    expect(() => Image.node(version as "24")).toThrow(InvalidError);
  });

  it.each(["", "a b", "node:24\nRUN x", "a$b"])("refuses the reference %j", (tag) => {
    expect(() => Image.fromRegistry(tag)).toThrow(`${JSON.stringify(tag)} is no reference of an image.`);
  });

  it("never changes: each method makes a new image on top", () => {
    const base = Image.node();
    const variants = [
      base.apt(["jq"]),
      base.npmInstall(["sharp"]),
      base.run("true"),
      base.env({ A: "1" }),
      base.workdir("/srv"),
      base.dockerfile(["USER node"]),
      base.addLocalFile("a.txt", "/a.txt", { copy: true }),
      base.addLocalDir("data", "/data"),
    ];
    expect(base.steps).toEqual([]);
    expect(base.mounted).toEqual([]);
    for (const variant of variants) expect(variant.steps.length + variant.mounted.length).toBe(1);
    const shared = base.run("one");
    expect([lines(shared.run("two")), lines(shared.run("three"))]).toEqual([
      ["RUN one", "RUN two"],
      ["RUN one", "RUN three"],
    ]);
  });

  it("knows images of other copies of the package", () => {
    expect(Image.is(Image.node())).toBe(true);
    expect(Image.is({ [Symbol.for("lydian.image.v1")]: true })).toBe(true);
    for (const value of [undefined, null, {}, "node:24"]) expect(Image.is(value)).toBe(false);
  });

  it("hands itself to recipes", () => {
    const withTool = (image: Image, name: string, version: number) => image.run(`install ${name} ${version}`);
    expect(lines(Image.node().pipe(withTool, "ffmpeg", 7))).toEqual(["RUN install ffmpeg 7"]);
  });
});

describe("packages", () => {
  it("installs Debian packages", () => {
    expect(lastLine(Image.node().apt(["jq", "curl=7.88.1-10+deb12u5", "g++"]))).toContain(" jq curl=7.88.1-10+deb12u5 g++ && ");
  });

  it.each(["", "jq; rm -rf /", "-o", "$(id)", "Jq", "a b", "curl="])("refuses the Debian package %j", (name) => {
    expect(() => Image.node().apt(["jq", name])).toThrow(`${JSON.stringify(name)} is no name of a Debian package.`);
  });

  it("installs npm packages, each as one word of the shell", () => {
    const line = lastLine(Image.node().npmInstall(["sharp@^0.34", "@scope/pkg@>=1.0.0 <2", "left-pad"]));
    expect(line).toContain("--no-fund 'sharp@^0.34' '@scope/pkg@>=1.0.0 <2' 'left-pad' && ");
  });

  it.each(["", "UPPER", "a;b", "a@$(id)", "a@'", "--global=x y", "@scope", "a\nb", "../evil"])("refuses the npm package %j", (name) => {
    expect(() => Image.node().npmInstall([name])).toThrow(`${JSON.stringify(name)} is no name of an npm package.`);
  });

  it.each(["-g", "--ignore-scripts", "--prefix"])("refuses the npm option %s in place of a package", (name) => {
    expect(() => Image.node().npmInstall([name])).toThrow(InvalidError);
  });

  it("refuses empty lists", () => {
    expect(() => Image.node().apt([])).toThrow("No Debian packages were given.");
    expect(() => Image.node().npmInstall([])).toThrow("No npm packages were given.");
  });
});

describe("run", () => {
  it("is one step per command, as it is written", () => {
    expect(lines(Image.node().run(["echo a", "echo 'b' \"$HOME\""]))).toEqual(["RUN echo a", "RUN echo 'b' \"$HOME\""]);
  });

  it.each([
    ["several lines", "echo one\necho two\n", "one\ntwo\n"],
    ["quotes", "echo 'it'\"'\"'s'\necho \"b\"", "it's\nb\n"],
    ["backslashes", "printf '%s\\n' 'a\\tb'\nprintf 'c\\n'", "a\\tb\nc\n"],
    ["per cent signs", "printf '%s\\n' '100%'\ntrue", "100%\n"],
    ["continued lines", "echo one \\\n  two", "one two\n"],
    ["a here-document", "cat <<EOF\nhello\nEOF\n", "hello\n"],
    ["shifts of numbers", "n=3; echo $((1<<n))", "8\n"],
  ])("keeps a script with %s on one line, and the shell gets it whole", (_, script, output) => {
    const line = lastLine(Image.node().run(script));
    expect(line).not.toMatch(/[\n\r]|<<|\\\s*$/);
    expect(shell(line)).toBe(output);
  });

  it("ends a script at its first failing command", () => {
    expect(() => shell(lastLine(Image.node().run("false\necho reached")))).toThrow("Command failed");
  });

  it("refuses empty commands", () => {
    expect(() => Image.node().run(["true", " \n"])).toThrow("A command of `run` is empty.");
  });
});

describe("secrets", () => {
  it("are of one step, and must be secrets", () => {
    const secret = Secret.fromName("npm");
    const image = Image.node()
      .apt(["jq"], { secrets: [secret] })
      .run("x");
    expect(image.steps.map((step) => step.kind === "line" && step.secrets)).toEqual([[secret], []]);
    expect(() => Image.node().run("x", { secrets: ["npm"] as never })).toThrow("`secrets` must be a list of Secrets");
    expect(() => Image.node().run("x", { gpu: "A100" } as never)).toThrow("no option `gpu`");
  });
});

describe("env", () => {
  // Single quotes mean the same to a shell and in an ENV line, so a shell may judge.
  it.each(["", "plain", "two words", "$HOME ${X} `id`", "it's", "''", '"double"', "back\\slash\\", "# no comment", "a=b", "ü ✓", "<<EOF"])(
    "keeps the value %j whole",
    (value) => {
      const line = lastLine(Image.node().env({ KEY: value }));
      expect(line).toMatch(/^ENV KEY='/);
      expect(line).not.toMatch(/\\\s*$/);
      expect(shell(`${line.replace(/^ENV /, "")}; printf %s "$KEY"`)).toBe(value);
    },
  );

  it("is one step per variable", () => {
    expect(lines(Image.node().env({ A: "1", _b2: "2" }))).toEqual(["ENV A='1'", "ENV _b2='2'"]);
  });

  it.each(["", "1A", "A-B", "A B", "A=B", "Ä"])("refuses the name %j", (name) => {
    expect(() => Image.node().env({ [name]: "x" })).toThrow(`${JSON.stringify(name)} is no name of a variable`);
  });

  it("refuses values that a line cannot hold, and what is no string", () => {
    for (const value of ["a\nb", "a\rb", "a\0b"])
      expect(() => Image.node().env({ KEY: value })).toThrow("The variable KEY has a line break or a NUL");
    expect(() => Image.node().env({ KEY: 5 as unknown as string })).toThrow("The variable KEY is 5; it must be a string.");
  });
});

describe("workdir", () => {
  it("takes absolute paths and quotes unusual ones", () => {
    expect(lines(Image.node().workdir("/srv/app/").workdir("/").workdir("/a $b"))).toEqual([
      "WORKDIR /srv/app",
      "WORKDIR /",
      "WORKDIR '/a $b'",
    ]);
  });

  it.each(["", "srv", "./srv", "/srv/../etc", "/a/./b", "/a\nUSER root"])("refuses %j", (path) => {
    expect(() => Image.node().workdir(path)).toThrow(`${JSON.stringify(path)} must be an absolute path`);
  });
});

describe("local files", () => {
  it("adds when a container starts, unless it is a copy", () => {
    const image = Image.node().addLocalFile("conf/a.json", "/etc/a.json").addLocalDir("data", "/data/", { copy: true });
    expect(image.mounted).toEqual([{ local: "conf/a.json", remote: "/etc/a.json", isDirectory: false }]);
    expect(image.steps).toEqual([{ kind: "copy", files: { local: "data", remote: "/data", isDirectory: true, ignore: undefined } }]);
  });

  it("puts a file into a directory that is named with a slash", () => {
    expect(Image.node().addLocalFile("conf/a.json", "/etc/").mounted[0]?.remote).toBe("/etc/a.json");
    expect(Image.node().addLocalFile("a.json", "/").mounted[0]?.remote).toBe("/a.json");
  });

  it("keeps the rule of what to leave out", () => {
    const ignore = (path: string) => path.endsWith(".log");
    expect(Image.node().addLocalDir("data", "/data", { ignore }).mounted[0]?.ignore).toBe(ignore);
  });

  it("refuses relative places in the container", () => {
    expect(() => Image.node().addLocalFile("a", "etc/a")).toThrow('"etc/a" must be an absolute path');
    expect(() => Image.node().addLocalDir("a", "/../x")).toThrow(InvalidError);
  });
});

describe("dockerfile", () => {
  it("takes lines as they are", () => {
    expect(lines(Image.node().dockerfile(["USER node", "RUN a && \\", "  b"]))).toEqual(["USER node", "RUN a && \\", "  b"]);
  });

  it.each(["FROM scratch", " from scratch", "COPY a /a", "ADD a /a"])("refuses %j, which has a method of its own", (line) => {
    expect(() => Image.node().dockerfile([line])).toThrow("FROM, COPY and ADD are not taken here");
  });

  it("refuses two lines in one, and a continuation of nothing", () => {
    expect(() => Image.node().dockerfile(["USER node\nFROM scratch"])).toThrow("is more than one line");
    expect(() => Image.node().dockerfile(["RUN a \\"])).toThrow("continues on a line that is not there");
  });
});
