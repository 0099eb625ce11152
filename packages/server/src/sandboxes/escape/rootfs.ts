// A small image with the machine's own Python, and the attempts in it.
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { makeRootfs } from "../../../../containers/src/contract/rootfs.ts";

const PROGRAMS = ["driver.py", "files.py", "kernel.py", "machine.py", "processes.py"];
export const PYTHON = "/usr/bin/python3";
export const DRIVER = "/escape/driver.py";

/** Why there is no Python to take; undefined when there is. */
export function whyNoPython(): string | undefined {
  try {
    python("import ctypes");
    return undefined;
  } catch {
    return "the machine has no Python";
  }
}

/** Runs a line on the machine itself. */
export function python(line: string): string {
  return execFileSync("python3", ["-c", line], { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] }).trim();
}

/** Fills `dir`, which is then usable as a layer. */
export async function makeEscapeRootfs(dir: string): Promise<void> {
  await makeRootfs(dir);
  const copy = (path: string, target = path) => {
    mkdirSync(join(dir, dirname(target)), { recursive: true });
    cpSync(realpathSync(path), join(dir, target), { recursive: true, dereference: true, filter: wanted });
  };
  const [program = "", library = "", modules = ""] = python(
    "import sys, sysconfig, os; print(os.path.realpath(sys.executable)); print(sysconfig.get_path('stdlib')); print(sysconfig.get_path('stdlib') + '/lib-dynload')",
  ).split("\n");
  copy(program, PYTHON);
  copy(library);
  const binaries = [program, ...readdirSync(modules).map((name) => join(modules, name))];
  const libraries = execFileSync("ldd", binaries, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).matchAll(
    /=> (\/\S+)|^\s+(\/\S+)/gm,
  );
  for (const path of new Set([...libraries].map(([, a, b]) => a ?? b ?? ""))) if (path !== "") copy(path);
  for (const name of PROGRAMS) cpSync(fileURLToPath(new URL(name, import.meta.url)), join(dir, "escape", name));
}

const wanted = (path: string): boolean =>
  !/\/(test|tests|idlelib|tkinter|dist-packages|site-packages|__pycache__|ensurepip|config-[^/]*)$/.test(path);
