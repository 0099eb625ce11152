// The official Python client as a layer: the package that runs functions inside of containers, with all it depends on. Made from PyPI
// once for each version of the client, minor version of Python and kind of C library, by the image builder, and stacked on any image.
import { type BuildLogLine, ImageError, type ImagePython } from "@lydian/containers";
import { LydianError } from "@lydian/protocol";

export interface ClientPackagesOptions {
  /** Builds an image from Dockerfile lines. Its layers, bottom first. */
  readonly build: (lines: readonly string[], onLog: (line: BuildLogLine) => void) => Promise<readonly string[]>;
  readonly path: (layer: string) => string;
  /** Undefined when the image has no Python on its PATH. */
  readonly python: (imageId: string) => Promise<ImagePython | undefined>;
  readonly log: (message: string) => void;
}

interface ClientLayer {
  readonly layer: string;
  readonly python: string;
}

/** Of Python, what clients from 1.4 on run on. */
const OLDEST_MINOR = 10;
const NEWEST_MINOR = 15;
/** Wheels that run on any of the images: newer ones would need a newer C library than an image may have. */
const PLATFORMS: Readonly<Record<string, readonly string[]>> = {
  glibc: ["manylinux_2_17", "manylinux2014"],
  musl: ["musllinux_1_2", "musllinux_1_1"],
};
const MACHINES: Readonly<Record<string, string>> = { x64: "x86_64", arm64: "aarch64" };
/** The client's own packages come before those of the user, what they depend on after them: a user's own versions win. */
const SITE_CUSTOMIZE = "import sys; sys.path.append('/__modal/deps')";

export class ClientPackages {
  readonly #options: ClientPackagesOptions;
  /** By version, Python and C library. */
  readonly #layers = new Map<string, Promise<string>>();

  constructor(options: ClientPackagesOptions) {
    this.#options = options;
  }

  /** The layer's directory and the image's Python. Throws `failed_precondition` when the image or the version cannot be used. */
  async layer(clientVersion: string, imageId: string): Promise<ClientLayer> {
    const python = await this.#options.python(imageId);
    if (python === undefined) {
      throw new LydianError("failed_precondition", `The image ${imageId} has no Python on its PATH, so it cannot run Python functions.`, {
        hint: "Use modal.Image.debian_slim(), or install Python in the image.",
      });
    }
    const [major = 0, minor = 0] = python.version.split(".").map(Number);
    if (major !== 3 || minor < OLDEST_MINOR || minor > NEWEST_MINOR) {
      throw new LydianError(
        "failed_precondition",
        `The image ${imageId} has Python ${python.version}; the client runs on Python 3.${OLDEST_MINOR} to 3.${NEWEST_MINOR}.`,
      );
    }
    const libc = python.libc.startsWith("musl") ? "musl" : "glibc";
    const key = `${clientVersion} 3.${minor} ${libc}`;
    let layer = this.#layers.get(key);
    if (layer === undefined) {
      layer = this.#make(clientVersion, `3.${minor}`, libc);
      this.#layers.set(key, layer);
      layer.catch(() => this.#layers.delete(key));
    }
    return { layer: this.#options.path(await layer), python: python.executable };
  }

  async #make(clientVersion: string, python: string, libc: "glibc" | "musl"): Promise<string> {
    const { build, log } = this.#options;
    const lines = recipe(clientVersion, python, libc);
    const output: string[] = [];
    try {
      const layers = await build(lines, ({ text }) => output.push(text));
      const made = layers.at(-1);
      if (made === undefined) throw new Error("the build gave no layer");
      return made;
    } catch (error) {
      log(`The Python client ${clientVersion} could not be prepared for Python ${python}: ${String(error)}`);
      if (!(error instanceof ImageError)) throw error;
      const unknown = output.some((line) => line.includes("No matching distribution found for modal=="));
      throw new LydianError(
        "failed_precondition",
        unknown
          ? `There is no version ${clientVersion} of the Python client on PyPI for Python ${python}, so this server cannot run its functions.`
          : `The package of the Python client ${clientVersion} could not be prepared for Python ${python}: ${error.message}`,
        { hint: unknown ? "Install a released version: pip install --upgrade modal" : "Is PyPI reachable from the server?", cause: error },
      );
    }
  }
}

function recipe(clientVersion: string, python: string, libc: "glibc" | "musl"): string[] {
  const machine = MACHINES[process.arch] ?? process.arch;
  const platforms = (PLATFORMS[libc] ?? []).map((platform) => `--platform ${platform}_${machine}`).join(" ");
  const install = `python -m pip install --quiet --no-cache-dir --disable-pip-version-check --root-user-action=ignore --only-binary=:all: ${platforms}`;
  return [
    `FROM python:${python}-slim`,
    [
      `RUN ${install} --target /__modal/deps modal==${clientVersion}`,
      "rm -rf /__modal/deps/bin",
      "mkdir /pkg",
      "mv /__modal/deps/modal /__modal/deps/modal_* /__modal/deps/modal-* /__modal/deps/synchronicity* /pkg/",
      `echo "${SITE_CUSTOMIZE}" > /pkg/sitecustomize.py`,
      "python -m compileall -q /pkg/sitecustomize.py",
    ].join(" && "),
  ];
}
