// The lines that the official Python client sends for its default image, on a machine without a registry.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createHost } from "../../create-host.ts";
import type { ContainerHost } from "../../host.ts";
import { ImageBuilder } from "../build/builder.ts";
import { testLayerStore } from "../testing.ts";
import { BaseImages } from "./base-images.ts";

const reason = process.platform !== "linux" || process.getuid?.() !== 0 ? "not root on Linux" : undefined;
if (reason !== undefined) console.log(`skipped: Python base images (${reason})`);

const DEBIAN_SLIM = [
  "RUN apt-get update",
  "RUN apt-get install -y gcc gfortran build-essential",
  "RUN pip install --upgrade pip wheel uv",
  "RUN echo 'debconf debconf/frontend select Noninteractive' | debconf-set-selections",
  'CMD ["sleep", "172800"]',
];

/** Version and minor. Each takes a minute, and what is not released yet may not be installable for a while. */
const OFTEN = [
  ["3.12.10", "12"],
  ["3.13.3", "13"],
] as const;
const RARE = [
  ["3.10.17", "10"],
  ["3.14.2", "14"],
  ["3.15.0", "15"],
] as const;
const FULL = process.env.LYDIAN_CONFORMANCE === "full";
if (!FULL) console.log(`skipped without LYDIAN_CONFORMANCE=full: Python ${RARE.map(([version]) => version).join(", ")}`);

describe.skipIf(reason !== undefined)("Python base images", () => {
  let dir: string;
  let host: ContainerHost;
  let builder: ImageBuilder;
  const run = String(process.hrtime.bigint());

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), "lydian-python-"));
    host = await createHost({ kind: "oci", stateDir: join(dir, "state") });
    const store = await testLayerStore();
    builder = new ImageBuilder({ store, host, bases: new BaseImages({ store, hub: "never" }) });
  });
  afterAll(async () => {
    await host?.[Symbol.asyncDispose]();
    await rm(dir, { recursive: true, force: true });
  });

  const build = async (...lines: string[]) => {
    const log: string[] = [];
    const image = await builder.build({ lines }, { onLog: ({ text }) => void log.push(text) });
    return { image, log };
  };

  it("builds what debian_slim() sends, with everything that is expected of a Python image", async () => {
    const c = String.raw`#include <Python.h>\nstatic PyModuleDef m={.m_name="own"};PyMODINIT_FUNC PyInit_own(void){return PyModule_Create(&m);}\n`;
    const { image, log } = await build(
      "FROM python:3.11.12-slim-bookworm",
      ...DEBIAN_SLIM,
      `RUN python -m pip install six && python3 -m pip show six | grep ^Name && pip3 --version && echo ${run}`,
      `RUN python -c 'import ssl, sqlite3, ctypes, lzma, bz2, distutils, readline, sys; print("all of", "%d.%d" % sys.version_info[:2])' ${run}`,
      `RUN python -m venv /venv && /venv/bin/pip install six && echo ${run}`,
      `RUN uv pip install --python $(command -v python) --compile-bytecode idna && python -c "import idna; print('by uv', idna.__name__)" ${run}`,
      `RUN printf '${c}' >/own.c && gcc -shared -fPIC $(python3-config --includes) -o /usr/local/lib/python3.11/site-packages/own.so /own.c && python -c 'import own; print(own.__name__, "compiled")' ${run}`,
      `RUN python -c 'import urllib.request as r; print("status", r.urlopen("https://pypi.org/simple/six/").status)' ${run}`,
    );
    expect(log).toEqual(expect.arrayContaining(["Name: six", "all of 3.11", "by uv idna", "own compiled", "status 200"]));
    expect(await builder.python(image)).toEqual({
      version: image.config.env.PYTHON_VERSION,
      libc: "glibc 2.36",
      executable: "/usr/local/bin/python",
    });
    expect(image.config).toMatchObject({ cmd: ["sleep", "172800"], env: { PYTHON_VERSION: expect.stringMatching(/^3\.11\./) } });
  }, 600_000);

  it.each(FULL ? [...OFTEN, ...RARE] : OFTEN)(
    "takes the distribution that has %s, whichever the name asks for",
    async (version, minor) => {
      const { log } = await build(
        `FROM python:${version}-slim-bookworm`,
        "RUN apt-get update -o APT::Update::Error-Mode=any && pip install --upgrade pip wheel uv",
        `RUN python -c 'import sys, ssl, sqlite3, ctypes, lzma; print("minor", sys.version_info[1])' && python -m venv /venv && echo 'debconf debconf/frontend select Noninteractive' | debconf-set-selections && echo ${run}`,
      );
      expect(log).toContain(`minor ${minor}`);
    },
    600_000,
  );

  it("has uv where uv_pip_install() and uv_sync() copy it from", async () => {
    const { log } = await build(
      "FROM python:3.13-slim",
      "COPY --from=ghcr.io/astral-sh/uv:latest /uv /.uv/uv",
      `RUN /.uv/uv pip install --python $(command -v python) --compile-bytecode idna==3.10 && python -c 'import idna; print("idna", idna.__version__)' ${run}`,
    );
    expect(log).toContain("idna 3.10");
  }, 600_000);

  it("says which versions there are when there is none", async () => {
    await expect(build("FROM python:3.7-slim")).rejects.toThrow(/python:3\.7-slim.*cannot be had.*3\.10, 3\.11, 3\.12, 3\.13/);
  });
});
