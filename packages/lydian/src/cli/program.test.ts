import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { completionScript } from "./completion/script.ts";
import { buildProgram, everyCommand, runProgram } from "./program.ts";

describe("the command tree", () => {
  it("describes every command and every option", () => {
    for (const command of everyCommand(buildProgram())) {
      if (command.name().startsWith("internal-")) continue;
      expect(command.description(), command.name()).not.toBe("");
      for (const option of command.options) expect(option.description, `${command.name()} ${option.flags}`).not.toBe("");
    }
  });
});

describe("exit codes", () => {
  let printed: string;
  beforeEach(() => {
    printed = "";
    const collect = (text: string | Uint8Array) => {
      printed += String(text);
      return true;
    };
    vi.spyOn(process.stdout, "write").mockImplementation(collect);
    vi.spyOn(process.stderr, "write").mockImplementation(collect);
  });
  afterEach(() => vi.restoreAllMocks());

  it("are 0 for help and version", async () => {
    expect(await runProgram(["--help"])).toBe(0);
    expect(printed).toContain("Usage: lydian");
    expect(printed).not.toContain("internal-");
    expect(await runProgram(["--version"])).toBe(0);
    expect(printed).toMatch(/\d+\.\d+\.\d+/);
    expect(await runProgram(["server", "--help"])).toBe(0);
  });

  it("are 2 for what was typed wrong, with the nearest right word", async () => {
    expect(await runProgram(["sevrer"])).toBe(2);
    expect(printed).toContain("Did you mean server?");
    expect(await runProgram(["server", "--prot", "1"])).toBe(2);
    expect(printed).toContain("Did you mean --port?");
    expect(await runProgram(["server", "--port", "99999"])).toBe(2);
    expect(await runProgram(["server", "--container-host", "vm"])).toBe(2);
    expect(await runProgram(["server", "--idle-exit", "soon"])).toBe(2);
    expect(await runProgram(["server", "--registry-mirror", "mirror.example"])).toBe(2);
    expect(printed).toContain('not "soon"');
    expect(await runProgram(["config", "set", "colour", "red"])).toBe(2);
  });
});

describe("completion scripts", () => {
  const shells = ["bash", "zsh", "fish"] as const;

  it("name every visible command and its flags", () => {
    for (const shell of shells) {
      const script = completionScript(buildProgram(), shell);
      for (const word of ["doctor", "container", "revoke", "container-host", "process"]) expect(script, shell).toContain(word);
      expect(script, shell).not.toContain("internal-");
    }
  });

  it.each(shells)("are valid for %s", (shell) => {
    if (spawnSync(shell, ["-c", "true"]).status !== 0) {
      console.log(`skipped: ${shell} is not installed`);
      return;
    }
    const dir = mkdtempSync(join(tmpdir(), "ly-completion-"));
    try {
      const file = join(dir, "script");
      writeFileSync(file, completionScript(buildProgram(), shell));
      const check = spawnSync(shell, shell === "fish" ? ["--no-execute", file] : ["-n", file], { encoding: "utf8" });
      expect(check.stderr).toBe("");
      expect(check.status).toBe(0);
    } finally {
      rmSync(dir, { recursive: true });
    }
  });

  it("complete in bash", () => {
    const complete = (...words: string[]) => {
      const setUp = `${completionScript(buildProgram(), "bash")}\nCOMP_WORDS=(${words.map((word) => `'${word}'`).join(" ")}); COMP_CWORD=${words.length - 1}; _lydian; echo "\${COMPREPLY[@]}"`;
      return spawnSync("bash", ["--norc", "-c", setUp], { encoding: "utf8" }).stdout.trim().split(" ");
    };
    if (spawnSync("bash", ["-c", "true"]).status !== 0) {
      console.log("skipped: bash is not installed");
      return;
    }
    expect(complete("lydian", "do")).toEqual(["doctor"]);
    expect(complete("lydian", "app", "l")).toEqual(["list", "logs"]);
    expect(complete("lydian", "server", "--container-host", "o")).toEqual(["oci"]);
    expect(complete("lydian", "completion", "f")).toEqual(["fish"]);
  });
});
