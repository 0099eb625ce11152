// Which build of python-build-standalone is meant: CPython that runs from wherever it is put, on any Linux with its C library.

/** A build, as the official clients ask for it with `add_python`. */
export interface StandaloneBuild {
  /** Day of the release, e.g. "20240107". */
  readonly release: string;
  /** e.g. "3.12.1" */
  readonly version: string;
  readonly freeThreaded: boolean;
  readonly libc: "gnu" | "musl";
}

/** Reserved: no registry has images of this name, they are always made here. */
export const STANDALONE_REGISTRY = "github.com";
export const STANDALONE_REPOSITORY = "astral-sh/python-build-standalone";
/** Where its files are in the image, and in the mount that clients copy from. */
export const STANDALONE_ROOT = "/python";

/** From here on releases have `bin/python`; a client makes it itself for older ones, and fails where it is there already. */
const FIRST_WITH_PYTHON = "20241008";
const MOUNT_NAME = /^python-build-standalone\.(\d{8}\.3\.\d{1,2}\.\d{1,2}t?-(?:gnu|musl))$/;
const VERSION = /^(\d{8})\.(3\.\d{1,2}\.\d{1,2})(t?)-(gnu|musl)$/;

/** The image that stands for a client's mount, by the name it has there; undefined for other names. */
export function standaloneImageName(mountName: string): string | undefined {
  const tag = MOUNT_NAME.exec(mountName)?.[1];
  return tag === undefined ? undefined : `${STANDALONE_REGISTRY}/${STANDALONE_REPOSITORY}:${tag}`;
}

/** The build of an image's tag, "20240107.3.12.1-gnu". */
export function parseStandaloneTag(tag: string): StandaloneBuild | undefined {
  const [, release, version, threads, libc] = VERSION.exec(tag) ?? [];
  if (release === undefined || version === undefined) return undefined;
  return { release, version, freeThreaded: threads === "t", libc: libc === "musl" ? "musl" : "gnu" };
}

/** "3.12" */
export function minorOf({ version }: Pick<StandaloneBuild, "version">): string {
  return version.split(".").slice(0, 2).join(".");
}

/** Whether whoever asks for a release expects it to have `bin/python`. */
export function hasPythonLink({ release }: Pick<StandaloneBuild, "release">): boolean {
  return release >= FIRST_WITH_PYTHON;
}
