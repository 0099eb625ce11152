// Where this machine gets Debian packages from. A base made here, and apt inside of it, must use the same mirror and
// proxy: behind a company's mirror nothing else may be reachable.
import { runHostCommand } from "../host-command.ts";
import { isUbuntu, ubuntuLines } from "./ubuntu.ts";

export interface AptSources {
  /** One-line format, e.g. `deb http://deb.debian.org/debian bookworm main`. */
  readonly lines: readonly string[];
  /** Settings for apt, e.g. `Acquire::http::Proxy "http://proxy:3128";`. */
  readonly settings: readonly string[];
}

const TIMEOUT_MS = 30_000;
const DEBIAN = "http://deb.debian.org/debian";
const DEBIAN_SECURITY = "http://deb.debian.org/debian-security";
/** Settings that decide whether a mirror can be used at all. */
const CARRIED = /^Acquire::(?:(?:http|https)::(?:Proxy|Pipeline-Depth)|Check-Valid-Until|Check-Date|Retries|ForceIPv4)\b/i;

/** Sources and settings for a Debian release. Machines that do not run Debian use Debian's own address. */
export async function readHostApt(suite: string): Promise<AptSources> {
  const targets = await output("apt-get", ["indextargets", "--format", "$(SITE) $(RELEASE) $(COMPONENT) $(IDENTIFIER)"]);
  const dump = await output("apt-config", ["dump"]);
  return {
    lines: isUbuntu(suite) ? ubuntuLines(suite, mirrorsOf(targets).ubuntu) : sourceLines(suite, mirrorsOf(targets)),
    settings: dump.split("\n").filter((line) => CARRIED.test(line) && !/ "";$/.test(line)),
  };
}

export interface Mirrors {
  readonly main?: string;
  readonly security?: string;
  /** Of the machine's own Ubuntu. */
  readonly ubuntu?: string;
}

/** The mirrors among apt's index targets, one `SITE RELEASE COMPONENT IDENTIFIER` a line. */
export function mirrorsOf(targets: string): Mirrors {
  const mirrors: { main?: string; security?: string; ubuntu?: string } = {};
  for (const line of targets.split("\n")) {
    const [site = "", release = "", component = "", identifier = ""] = line.trim().split(" ");
    // Other repositories (Docker, NodeSource, …) are none of a base image's business.
    if (component !== "main" || identifier !== "Packages" || !/^(https?:)/.test(site)) continue;
    if (/^(bookworm|trixie|forky|bullseye|stable|testing)$/.test(release) && /debian/.test(site)) mirrors.main ??= site.replace(/\/+$/, "");
    if (/^[a-z]+$/.test(release) && /\/ubuntu(-ports)?\/?$/.test(site)) mirrors.ubuntu ??= site.replace(/\/+$/, "");
    if (/^(bookworm|trixie|forky|bullseye|stable|testing)-security$/.test(release)) mirrors.security ??= site.replace(/\/+$/, "");
  }
  return mirrors;
}

export function sourceLines(suite: string, mirrors: Mirrors): readonly string[] {
  const main = mirrors.main ?? DEBIAN;
  const security = mirrors.security ?? (mirrors.main === undefined ? DEBIAN_SECURITY : undefined);
  return [
    `deb ${main} ${suite} main`,
    `deb ${main} ${suite}-updates main`,
    ...(security === undefined ? [] : [`deb ${security} ${suite}-security main`]),
  ];
}

/** Empty when the machine has no apt. */
async function output(program: string, args: readonly string[]): Promise<string> {
  return runHostCommand(program, args, { timeoutMs: TIMEOUT_MS }).catch(() => "");
}
