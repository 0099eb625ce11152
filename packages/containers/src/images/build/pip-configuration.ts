// How pip on this machine reaches a package index, read from its own configuration files: a build step whose pip knew
// only the public index would fail behind a company's mirror.
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";

/** Settings that decide whether an index can be reached at all, by the names that pip.conf uses. */
const CARRIED = ["index-url", "extra-index-url", "trusted-host", "proxy", "timeout", "retries"] as const;
const SECTIONS = new Set(["global", "install", "download"]);

/** pip's settings of this machine as variables (`PIP_INDEX_URL`, …). Variables of `env` win over files. */
export async function hostPipVariables(env: NodeJS.ProcessEnv = process.env): Promise<Readonly<Record<string, string>>> {
  const settings: Record<string, string> = {};
  if (env.PIP_CONFIG_FILE !== "/dev/null") {
    for (const file of pipFiles(env)) Object.assign(settings, parsePipFile(await readFile(file, "utf8").catch(() => "")));
  }
  for (const name of CARRIED) {
    const variable = variableOf(name);
    const value = env[variable];
    if (value !== undefined && value !== "") settings[variable] = value;
  }
  return settings;
}

/** The carried settings of a pip.conf as variables. Lines that cannot be read are left out: they are pip's to judge. */
export function parsePipFile(text: string): Readonly<Record<string, string>> {
  const settings: Record<string, string> = {};
  let section = "";
  let name = "";
  for (const line of text.split(/\r?\n/)) {
    if (/^\s*([#;]|$)/.test(line)) continue;
    const header = /^\[([^\]]+)\]/.exec(line);
    const [, key, value = ""] = /^([^\s=:[][^=:]*?)\s*[=:]\s*(.*)$/.exec(line) ?? [];
    if (header !== null) {
      section = header[1] ?? "";
      name = "";
    } else if (key !== undefined) {
      name = CARRIED.find((carried) => carried === key.trim().replaceAll("_", "-")) ?? "";
      if (name !== "" && SECTIONS.has(section)) settings[variableOf(name)] = value.trim();
    } else if (/^\s/.test(line) && name !== "" && SECTIONS.has(section)) {
      // An indented line goes on with the value: several indexes are written like that.
      settings[variableOf(name)] = `${settings[variableOf(name)] ?? ""} ${line.trim()}`.trim();
    }
  }
  return settings;
}

/** In the order in which pip reads them: later ones win. */
function pipFiles(env: NodeJS.ProcessEnv): readonly string[] {
  const home = env.HOME ?? homedir();
  const system = (env.XDG_CONFIG_DIRS || "/etc/xdg").split(":").map((dir) => join(dir, "pip/pip.conf"));
  const user = [join(home, ".pip/pip.conf"), join(env.XDG_CONFIG_HOME || join(home, ".config"), "pip/pip.conf")];
  return [...system, "/etc/pip.conf", ...user, ...(env.PIP_CONFIG_FILE ? [env.PIP_CONFIG_FILE] : [])];
}

function variableOf(name: string): string {
  return `PIP_${name.replaceAll("-", "_").toUpperCase()}`;
}
