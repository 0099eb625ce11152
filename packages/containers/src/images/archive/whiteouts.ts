// How an overlay mount expresses deletion: a character device 0/0 hides the entry of that name below, and the
// attribute trusted.overlay.opaque (user.overlay.opaque in a user namespace) on a directory hides all of its entries below. Node can
// make neither.
import { link } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { inUserNamespace } from "../../rootless/user-namespace.ts";
import { runHostCommand } from "../host-command.ts";

const TOOL_TIMEOUT_MS = 60_000;

/** Makes whiteouts. One device is made by `mknod`; all others are links to it, as the kernel itself does. */
export class Whiteouts {
  readonly #scratch: string;
  #device: Promise<string> | undefined;

  /** `scratch`: a private directory on the filesystem of the layers. */
  constructor(scratch: string) {
    this.#scratch = scratch;
  }

  async make(path: string): Promise<void> {
    this.#device ??= this.#makeDevice();
    await link(await this.#device, path);
  }

  async #makeDevice(): Promise<string> {
    const path = join(this.#scratch, "whiteout");
    await runHostCommand("mknod", [path, "c", "0", "0"], { timeoutMs: TOOL_TIMEOUT_MS });
    return path;
  }
}

/**
 * Marks directories as opaque. GNU tar sets extended attributes that it finds in an archive and is on every Debian;
 * setfattr is not.
 */
export async function makeOpaque(
  directories: readonly { path: string; mode: number; uid: number; gid: number; mtime: number }[],
): Promise<void> {
  const family = inUserNamespace() ? "user" : "trusted";
  for (const directory of directories) {
    const attribute = paxRecord(`SCHILY.xattr.${family}.overlay.opaque`, "y");
    const name = `${basename(directory.path)}/`;
    const records = Buffer.concat([attribute, paxRecord("path", name)]);
    const archive = Buffer.concat([
      header("pax", "x", records.length, directory),
      pad(records),
      header("entry/", "5", 0, directory),
      Buffer.alloc(1024),
    ]);
    await runHostCommand(
      "tar",
      [
        "--extract",
        "--file=-",
        "--xattrs",
        `--xattrs-include=${family}.overlay.*`,
        "--preserve-permissions",
        "--numeric-owner",
        "--no-overwrite-dir",
      ],
      {
        cwd: dirname(directory.path),
        stdin: archive,
        timeoutMs: TOOL_TIMEOUT_MS,
      },
    );
  }
}

/** The length of a record counts its own digits. */
function paxRecord(key: string, value: string): Buffer {
  const rest = ` ${key}=${value}\n`;
  const size = Buffer.byteLength(rest);
  let length = size + 1;
  while (size + String(length).length !== length) length = size + String(length).length;
  return Buffer.from(`${length}${rest}`);
}

function pad(data: Buffer): Buffer {
  return Buffer.concat([data, Buffer.alloc((512 - (data.length % 512)) % 512)]);
}

function header(name: string, type: string, size: number, of: { mode: number; uid: number; gid: number; mtime: number }): Buffer {
  const block = Buffer.alloc(512);
  const octal = (value: number, at: number, width: number): number =>
    block.write(
      `${Math.floor(value)
        .toString(8)
        .padStart(width - 1, "0")}\0`,
      at,
      "latin1",
    );
  block.write(name, 0, "latin1");
  octal(of.mode, 100, 8);
  octal(of.uid, 108, 8);
  octal(of.gid, 116, 8);
  octal(size, 124, 12);
  octal(of.mtime, 136, 12);
  block.write("        ", 148, "latin1");
  block.write(type, 156, "latin1");
  block.write("ustar\x0000", 257, "latin1");
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return block;
}
