// Ubuntu has Pythons that no Debian has (3.10, 3.12). Its packages are signed with keys that a Debian machine does not
// trust by itself; Debian has them as a package, which its own keys vouch for.
import { access } from "node:fs/promises";
import { join } from "node:path";
import { ImageError } from "../errors.ts";
import { runHostCommand } from "../host-command.ts";
import type { AptSources } from "./host-apt.ts";

const KEYRING = "usr/share/keyrings/ubuntu-archive-keyring.gpg";
/** The Debian that has the package with the keys. */
export const KEYRING_SUITE = "trixie";
const TIMEOUT_MS = 300_000;
const SUITES = new Set(["jammy", "noble"]);
const MIRRORS: Readonly<Record<string, string>> = {
  x64: "http://archive.ubuntu.com/ubuntu",
  arm64: "http://ports.ubuntu.com/ubuntu-ports",
};

export function isUbuntu(suite: string): boolean {
  return SUITES.has(suite);
}

export function ubuntuLines(suite: string, mirror: string | undefined, arch: string = process.arch): readonly string[] {
  const from = mirror ?? MIRRORS[arch];
  if (from === undefined) throw new ImageError("unsupported", `Ubuntu has no packages for this machine's architecture (${arch}).`);
  return [suite, `${suite}-updates`, `${suite}-security`].map((release) => `deb ${from} ${release} main universe`);
}

/** A file with the keys: the machine's own, else one made below `scratch` from Debian's package. */
export async function ubuntuKeyring(debian: AptSources, scratch: string, signal: AbortSignal): Promise<string> {
  const own = join("/", KEYRING);
  const isThere = await access(own).then(
    () => true,
    () => false,
  );
  if (isThere) return own;
  const root = join(scratch, "keyring");
  const settings = debian.settings.map((setting) => `--aptopt=${setting}`);
  const args = ["--mode=root", "--format=directory", "--variant=extract", "--include=ubuntu-archive-keyring", ...settings];
  await runHostCommand("mmdebstrap", [...args, KEYRING_SUITE, root, ...debian.lines], {
    signal,
    title: "Fetching Ubuntu's keys (ubuntu-archive-keyring)",
    timeoutMs: TIMEOUT_MS,
    cwd: "/",
  });
  return join(root, KEYRING);
}
