// A small Debian or Ubuntu, made with mmdebstrap: what `debian:<suite>-slim` is, without a registry.
import { chmod, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { ImageError } from "../errors.ts";
import { runHostCommand } from "../host-command.ts";
import type { OnBuildLog } from "../image.ts";
import { layerKey } from "../keys.ts";
import type { LayerStore } from "../layer-store.ts";
import { type AptSources, readHostApt } from "./host-apt.ts";
import { installCertificates, readHostCertificates } from "./host-certificates.ts";
import { isUbuntu, KEYRING_SUITE, ubuntuKeyring } from "./ubuntu.ts";

/** Raise when the same inputs must give another layer. */
const RECIPE_VERSION = 2;
/** Beyond Debian's minimal set: TLS for apt, npm and programs, and the C++ library that Node needs. */
const PACKAGES = ["ca-certificates", "libstdc++6"];
const TIMEOUT_MS = 900_000;

/** Settings of dpkg in the image, as in Debian's slim images: no manuals and translations; no sync per file. */
const DPKG_OPTIONS = [
  "force-unsafe-io",
  ...["man", "info", "doc", "groff", "linda", "lintian", "locale"].map((name) => `path-exclude=/usr/share/${name}/*`),
  "path-include=/usr/share/doc/*/copyright",
  "path-include=/usr/share/locale/locale.alias",
];
const APT_SETTINGS = ['Acquire::Languages "none";', 'Acquire::GzipIndexes "true";', 'Apt::AutoRemove::SuggestsImportant "false";'];

/**
 * mmdebstrap mounts /proc, /sys and devices into the new system. In namespaces of its own they are seen by nobody else,
 * and processes and mounts are gone with it, also when this process or it is killed: what is left can be deleted.
 */
const CONFINED = ["--pdeathsig=KILL", "--", "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--"];

/** Traces of making it, which differ each time. */
const LEFTOVERS = [
  "var/log/apt",
  "var/log/dpkg.log",
  "var/log/alternatives.log",
  "var/log/bootstrap.log",
  "var/cache/ldconfig/aux-cache",
  "var/cache/apt/archives/lock",
];

/** A system with more in it than Debian's minimum. */
export interface DebianSystem {
  /** The image that it is, for logs: "debian:bookworm-slim". */
  readonly title: string;
  /** Release of Debian or Ubuntu by code name. */
  readonly suite: string;
  readonly packages?: readonly string[];
  /** Lines for dpkg's configuration. */
  readonly dpkgOptions?: readonly string[];
  /** Changes the finished system. `version` is raised when it must give another one. */
  readonly finish?: { readonly version: number; run(root: string, signal: AbortSignal): Promise<void> };
}

/** What `debian:<suite>-slim` is. */
export function slimDebian(suite: string): DebianSystem {
  return { title: `debian:${suite}-slim`, suite };
}

/** Makes the layer unless it is in the store, and returns its id. */
export async function debianLayer(
  system: DebianSystem,
  store: LayerStore,
  options: { onLog: OnBuildLog; signal?: AbortSignal },
): Promise<string> {
  const { title, suite, finish } = system;
  const [apt, certificates] = await Promise.all([readHostApt(suite), readHostCertificates()]);
  const id = layerKey({
    kind: "debian",
    version: RECIPE_VERSION,
    suite,
    arch: process.arch,
    packages: [...PACKAGES, ...(system.packages ?? [])],
    dpkgOptions: system.dpkgOptions,
    finish: finish?.version,
    sources: apt.lines,
    settings: apt.settings,
    certificates: certificates.key,
  });
  const make = async (target: string, signal: AbortSignal): Promise<void> => {
    if (process.getuid?.() !== 0)
      throw new ImageError(
        "unsupported",
        `Making the base image ${title} needs root (mmdebstrap unpacks a system). Run the server as root, or make a registry with the image reachable.`,
      );
    options.onLog({
      stream: "info",
      text: `Making ${title} on this machine from ${apt.lines[0]?.split(" ")[1]} (about half a minute, once).`,
    });
    await bootstrap(system, target, apt, options.onLog, signal).catch((error: unknown) => {
      if (!(error instanceof ImageError) || error.kind === "cancelled") throw error;
      const hint =
        error.kind === "unsupported"
          ? "Install it (apt-get install mmdebstrap), or run: lydian doctor"
          : "Check that the mirror is reachable (apt-get update).";
      throw new ImageError(error.kind, `The base image ${title} could not be made. ${error.message}\n${hint}`, {
        cause: error,
      });
    });
    await installCertificates(certificates, target, signal);
    await finish?.run(target, signal);
    for (const leftover of LEFTOVERS) await rm(join(target, leftover), { recursive: true, force: true });
    // Files that a container host puts its own over. Were they missing, each layer on top would get empty ones.
    for (const own of ["etc/resolv.conf", "etc/hosts", "etc/hostname"]) {
      await rm(join(target, own), { force: true });
      await writeFile(join(target, own), "", { mode: 0o644 });
    }
    await chmod(target, 0o755);
  };
  await store.make(id, make, {
    ...(options.signal === undefined ? {} : { signal: options.signal }),
    onShared: () => options.onLog({ stream: "info", text: `Waiting for ${title}, which another build is making.` }),
  });
  return id;
}

async function bootstrap(system: DebianSystem, target: string, apt: AptSources, onLog: OnBuildLog, signal: AbortSignal): Promise<void> {
  await runHostCommand("mmdebstrap", ["--version"], { signal, timeoutMs: 30_000 }); // Says that it is missing, if so.
  const keyring = isUbuntu(system.suite) ? await ubuntuKeyring(await readHostApt(KEYRING_SUITE), dirname(target), signal) : undefined;
  const args = [
    "--mode=root",
    "--format=directory",
    "--variant=minbase",
    ...(keyring === undefined ? [] : [`--keyring=${keyring}`]),
    `--include=${[...PACKAGES, ...(system.packages ?? [])].join(",")}`,
    ...[...DPKG_OPTIONS, ...(system.dpkgOptions ?? [])].map((option) => `--dpkgopt=${option}`),
    ...[...APT_SETTINGS, ...apt.settings].map((setting) => `--aptopt=${setting}`),
    system.suite,
    target,
    ...apt.lines,
  ];
  await runHostCommand("setpriv", [...CONFINED, "mmdebstrap", ...args], {
    signal,
    title: "mmdebstrap",
    timeoutMs: TIMEOUT_MS,
    cwd: "/",
    env: { ...process.env, SOURCE_DATE_EPOCH: "0", DEBIAN_FRONTEND: "noninteractive" },
    onLine: (_, text) => onLog({ stream: "info", text: text.replace(/^I: /, "") }),
  });
}
