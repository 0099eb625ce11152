// Certificate authorities that an administrator has added to this machine, e.g. of a proxy that looks into TLS.
// Without them nothing inside a container could talk to the network that the machine itself can talk to.
import { copyFile, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { runHostCommand } from "../host-command.ts";
import { type Hashable, sha256Hex } from "../keys.ts";

/** Where Debian keeps them; the same place inside an image. */
const LOCAL_CERTIFICATES = "/usr/local/share/ca-certificates";
/** All of them in one file: Node adds the certificates of one file to its own. */
const EXTRA_BUNDLE = "/usr/local/share/ca-certificates/lydian-host.pem";

/** All certificates of an image's system, those of this machine included. */
export const SYSTEM_BUNDLE = "/etc/ssl/certs/ca-certificates.crt";

export const PYTHON_VARIABLES = ["PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"] as const;

export interface HostCertificates {
  readonly files: readonly string[];
  readonly key: Hashable;
}

export async function readHostCertificates(dir: string = LOCAL_CERTIFICATES): Promise<HostCertificates> {
  const names = await readdir(dir, { recursive: true }).catch(() => []);
  const files = names.filter((name) => name.endsWith(".crt")).sort();
  const hashes = await Promise.all(files.map(async (name) => sha256Hex(await readFile(join(dir, name)))));
  return { files: files.map((name) => join(dir, name)), key: hashes };
}

/** Adds the certificates to a root that has the package ca-certificates. */
export async function installCertificates(certificates: HostCertificates, root: string, signal: AbortSignal): Promise<void> {
  if (certificates.files.length === 0) return;
  const target = join(root, LOCAL_CERTIFICATES);
  await mkdir(target, { recursive: true });
  const contents: string[] = [];
  for (const [index, file] of certificates.files.entries()) {
    await copyFile(file, join(target, `host-${index}-${basename(file)}`));
    contents.push((await readFile(file, "utf8")).trimEnd());
  }
  await writeFile(join(root, EXTRA_BUNDLE), `${contents.join("\n")}\n`);
  await runHostCommand("chroot", [root, "update-ca-certificates"], {
    signal,
    timeoutMs: 120_000,
    env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" },
  });
}

/** What an image with these certificates needs in its environment. */
export function certificateEnv(certificates: HostCertificates): Readonly<Record<string, string>> {
  return certificates.files.length === 0 ? {} : { NODE_EXTRA_CA_CERTS: EXTRA_BUNDLE };
}

/** What Python's tools need besides: pip, requests and uv bring certificates of their own and ignore the system's. */
export function pythonCertificateEnv(certificates: HostCertificates): Readonly<Record<string, string>> {
  if (certificates.files.length === 0) return {};
  return Object.fromEntries(PYTHON_VARIABLES.map((name) => [name, SYSTEM_BUNDLE]));
}
