// Python as `python:<version>-slim` has it, from a distribution's packages: the same names on the path, pip that
// installs into the system, and headers for what is compiled.
import { mkdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ImageError } from "../errors.ts";
import { runHostCommand } from "../host-command.ts";
import { type BuiltImage, DEFAULT_PATH, type OnBuildLog } from "../image.ts";
import type { LayerStore } from "../layer-store.ts";
import { type DebianSystem, debianLayer } from "./debian.ts";
import { certificateEnv, pythonCertificateEnv, readHostCertificates } from "./host-certificates.ts";
import { installedVersion, PYTHON_MINORS, type PythonSource, pythonSource } from "./python-version.ts";

const FINISH_VERSION = 2;
const PIP_TIMEOUT_MS = 300_000;
/** Wheels that come with python3-venv, so that pip needs no network. */
const WHEELS = "/usr/share/python-wheels";

/** The image for a version or the beginning of one: the newest of its minor that the distribution has. */
export async function pythonImage(
  wanted: string,
  store: LayerStore,
  options: { onLog: OnBuildLog; signal?: AbortSignal },
): Promise<BuiltImage> {
  const source = pythonSource(wanted);
  if (source === undefined)
    throw new ImageError("unreachable", `Python ${wanted} cannot be made here: the reachable distributions have ${PYTHON_MINORS}.`);
  const layer = await debianLayer(pythonSystem(source), store, options);
  const status = await readFile(join(store.path(layer), "var/lib/dpkg/status"), "utf8");
  const version = installedVersion(status, `python${source.minor}`) ?? source.minor;
  if (version !== wanted)
    options.onLog({
      stream: "info",
      text: `This is Python ${version} of ${source.distribution} (${source.suite}): without a registry, the newest ${source.minor} of a distribution stands for ${wanted}.`,
    });
  const certificates = await readHostCertificates();
  const env = {
    PATH: DEFAULT_PATH,
    LANG: "C.UTF-8",
    PYTHON_VERSION: version,
    ...certificateEnv(certificates),
    ...pythonCertificateEnv(certificates),
  };
  return { layers: [layer], config: { env, cmd: ["python3"] } };
}

function pythonSystem({ minor, suite, packages }: PythonSource): DebianSystem {
  return {
    title: `python:${minor}-slim (${suite})`,
    suite,
    packages: [`python${minor}`, `python${minor}-venv`, `python${minor}-dev`, ...packages],
    // The distribution would have pip refuse to install into the system. Excluded, not deleted: updates would bring it back.
    dpkgOptions: ["path-exclude=/usr/lib/python3*/EXTERNALLY-MANAGED"],
    finish: { version: FINISH_VERSION, run: (root, signal) => finish(minor, root, signal) },
  };
}

async function finish(minor: string, root: string, signal: AbortSignal): Promise<void> {
  const bin = join(root, "usr/local/bin");
  const links = { [`python${minor}`]: `/usr/bin/python${minor}`, python3: `python${minor}`, python: "python3" };
  for (const [name, target] of Object.entries(links)) await symlink(target, join(bin, name));
  // Not a link: the script looks for the headers beside the place from which it was called.
  await writeFile(join(bin, "python3-config"), `#!/bin/sh\nexec /usr/bin/python${minor}-config "$@"\n`, { mode: 0o755 });
  // Dockerfiles copy /usr/local/lib/python3.x/site-packages from one stage to the next; Debian's Python looks beside it.
  const lib = join(root, `usr/local/lib/python${minor}`);
  await rm(join(lib, "dist-packages"), { recursive: true, force: true });
  await mkdir(join(lib, "site-packages"), { recursive: true });
  await symlink("site-packages", join(lib, "dist-packages"));
  // As in the official images: setuptools comes along until 3.11.
  const projects = Number(minor.split(".")[1]) < 12 ? ["pip", "setuptools"] : ["pip"];
  const script = `exec python "$(ls ${WHEELS}/pip-*.whl)/pip" install --no-index --find-links=${WHEELS} --no-cache-dir --no-compile "$@"`;
  await runHostCommand("chroot", [root, "/bin/sh", "-c", script, "sh", ...projects], {
    signal,
    title: "Installing pip",
    timeoutMs: PIP_TIMEOUT_MS,
    env: { PATH: DEFAULT_PATH, HOME: "/nonexistent", PYTHONDONTWRITEBYTECODE: "1", PIP_ROOT_USER_ACTION: "ignore", LANG: "C.UTF-8" },
  });
}
