// Which Python an image has. Asked of the Python itself, in a container: what `python` is on a path may be a wrapper
// (pyenv, conda), and only it knows what it runs.
import { randomBytes } from "node:crypto";
import { posix } from "node:path";
import { z } from "zod";
import type { Container, ContainerHost } from "../host.ts";
import { RootfsView } from "./build/rootfs-view.ts";
import { DEFAULT_PATH } from "./image.ts";

export interface ImagePython {
  /** "3.11.2" */
  readonly version: string;
  /** "glibc 2.36", "musl 1.2.5"; empty when it cannot be told. */
  readonly libc: string;
  /** Absolute, as the Python itself says. */
  readonly executable: string;
}

export interface ImageFiles {
  /** Directories, topmost first. */
  readonly layers: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

const PROBE_MS = 30_000;
const MAX_OUTPUT = 65_536;
const NAMES = ["python", "python3"];
/** Between these, because wrappers print what they like. */
const MARK = "lydian-python:";
const PROBE = `
import glob, json, os, re, subprocess, sys
def libc():
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (ValueError, OSError):
        pass
    for loader in glob.glob("/lib/ld-musl-*.so.1"):
        said = subprocess.run([loader], capture_output=True, text=True).stderr
        found = re.search("Version ([0-9.]+)", said)
        if found:
            return "musl " + found.group(1)
    return ""
print("\\n${MARK}" + json.dumps({"version": "%d.%d.%d" % sys.version_info[:3], "libc": libc(), "executable": sys.executable}))
`;

const answer = z.object({ version: z.string().regex(/^\d+\.\d+\.\d+$/), libc: z.string(), executable: z.string() });

/** The image's `python`, else its `python3`; undefined when it has neither or they do not work. Rejects when no container can be started. */
export async function inspectPython(host: ContainerHost, image: ImageFiles): Promise<ImagePython | undefined> {
  for (const name of NAMES) {
    // Without images of their own, containers have the machine's path.
    const program = host.features.images ? await findOnPath(image, name) : name;
    const found = program === undefined ? undefined : await probe(host, image, program);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The first file of that name on the image's path. */
async function findOnPath({ layers, env }: ImageFiles, name: string): Promise<string | undefined> {
  const view = new RootfsView(layers);
  for (const directory of (env.PATH ?? DEFAULT_PATH).split(":")) {
    if (!directory.startsWith("/")) continue;
    const real = await view.resolveDirectory(posix.join(directory, name));
    if ((await view.entry(real))?.stats.isFile()) return posix.join(directory, name);
  }
  return undefined;
}

async function probe(host: ContainerHost, image: ImageFiles, program: string): Promise<ImagePython | undefined> {
  const container = await host.start({
    id: `python-${randomBytes(8).toString("hex")}`,
    layers: image.layers,
    // Isolated: a json.py of the image's root directory must not answer instead.
    command: [program, "-I", "-c", PROBE],
    env: image.env,
    limits: { pids: 64 },
    network: "none",
    binds: [],
  });
  const timer = setTimeout(() => void container.stop(0), PROBE_MS);
  timer.unref();
  try {
    const output = await readBounded(container);
    const { code } = await container.exited;
    return code === 0 ? parseAnswer(output) : undefined;
  } finally {
    clearTimeout(timer);
    await container.remove();
  }
}

async function readBounded(container: Container): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const { stream, data } of container.output) {
    if (stream !== "stdout") continue;
    size += data.length;
    if (size <= MAX_OUTPUT) chunks.push(data);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** The answer among whatever else was printed. */
export function parseAnswer(output: string): ImagePython | undefined {
  const line = output.split("\n").find((candidate) => candidate.startsWith(MARK));
  if (line === undefined) return undefined;
  try {
    return answer.parse(JSON.parse(line.slice(MARK.length)));
  } catch {
    return undefined;
  }
}
