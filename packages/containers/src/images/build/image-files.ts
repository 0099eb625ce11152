// Files out of an image, for COPY --from and bind mounts. The kernel's own overlay shows what the image's layers mean
// together; the mount is in a namespace of its own and gone with the command.
import { mkdir } from "node:fs/promises";
import { basename, dirname, join, relative } from "node:path";
import { inUserNamespace } from "../../rootless/user-namespace.ts";
import { runHostCommand } from "../host-command.ts";

const TIMEOUT_MS = 1_800_000;
/** Arguments: mount point, options of the overlay, then pairs of a path in the image and where it goes. */
const SCRIPT = `set -e
mount -t overlay overlay -o "$2" "$1"
at="$1"; shift 2
while [ $# -gt 0 ]; do
  cp -dR --preserve=mode,timestamps,links --reflink=auto --no-target-directory "$at$1" "$2"
  shift 2
done`;

export interface ImageFilesRequest {
  /** Directories, topmost first, all in one directory. */
  readonly layers: readonly string[];
  /** Paths in the image without links in their parents, and places on this machine that do not exist yet. */
  readonly files: readonly { readonly path: string; readonly to: string }[];
  /** Existing private directory on the filesystem of the layers. */
  readonly scratch: string;
  readonly signal: AbortSignal;
}

/** Copies files and directories of an image. They belong to this process's user. */
export async function copyImageFiles({ layers, files, scratch, signal }: ImageFilesRequest): Promise<void> {
  const [first] = layers;
  if (first === undefined || files.length === 0) return;
  const dir = dirname(first);
  const mountPoint = join(scratch, "mount");
  const empty = join(scratch, "empty");
  await mkdir(mountPoint);
  await mkdir(empty);
  // Names relative to the store: sixty layers must fit into one page of options. An overlay to be read has two layers at least.
  const lower = [...layers.map((layer) => basename(layer)), relative(dir, empty)].join(":");
  const options = `ro,lowerdir=${lower}${inUserNamespace() ? ",userxattr" : ""}`;
  const pairs = files.flatMap(({ path, to }) => [path, to]);
  await runHostCommand(
    "setpriv",
    ["--pdeathsig=KILL", "--", "unshare", "--mount", "--", "/bin/sh", "-c", SCRIPT, "sh", mountPoint, options, ...pairs],
    { cwd: dir, signal, title: "Copying files of an image", timeoutMs: TIMEOUT_MS },
  );
}
