// What COPY and ADD say, with variables replaced and names looked up in the image below.
import { posix } from "node:path";
import type { Copy } from "../dockerfile/instructions.ts";
import { expandValue, expandVariables, type Lookup, splitWords } from "../dockerfile/words.ts";
import type { Owner } from "./layer-writer.ts";
import { RootfsView } from "./rootfs-view.ts";

export interface CopyArguments {
  /** As written. */
  readonly sources: readonly string[];
  readonly destination: string;
  readonly destinationIsDirectory: boolean;
  /** The image below. */
  readonly view: RootfsView;
  readonly mode: number | undefined;
  readonly owner: Owner;
  readonly exclude: readonly string[];
}

/** Throws RangeError with the argument that is wrong. */
export async function copyArguments(
  instruction: Copy,
  input: { layers: readonly string[]; workdir: string; lookup: Lookup },
): Promise<CopyArguments> {
  const { lookup, workdir } = input;
  const words =
    typeof instruction.paths === "string"
      ? splitWords(instruction.paths, lookup)
      : instruction.paths.map((path) => expandVariables(path, lookup));
  const destination = words.at(-1) ?? "/";
  const view = new RootfsView(input.layers);
  const real = await view.resolveDirectory(posix.resolve(workdir, destination));
  const existing = real === "/" ? true : (await view.entry(real))?.stats.isDirectory();
  const chmod = instruction.chmod === undefined ? undefined : expandValue(instruction.chmod, lookup);
  if (chmod !== undefined && !/^[0-7]{3,4}$/.test(chmod)) throw new RangeError(`--chmod=${chmod} is not three or four octal digits`);
  return {
    sources: words.slice(0, -1),
    destination,
    destinationIsDirectory: existing ?? false,
    view,
    mode: chmod === undefined ? undefined : Number.parseInt(chmod, 8),
    owner: instruction.chown === undefined ? { uid: 0, gid: 0 } : await findOwner(expandValue(instruction.chown, lookup), view),
    exclude: instruction.exclude.map((pattern) => expandValue(pattern, lookup)),
  };
}

/** `user[:group]` by number or by the image's own /etc/passwd and /etc/group. */
async function findOwner(text: string, view: RootfsView): Promise<Owner> {
  const [user = "", group] = text.split(":");
  const passwd = /^\d+$/.test(user) && group !== undefined ? undefined : await record(view, "/etc/passwd", user);
  const uid = /^\d+$/.test(user) ? Number(user) : Number(passwd?.[2] ?? Number.NaN);
  if (!Number.isInteger(uid)) throw new RangeError(`the image has no user "${user}"`);
  if (group === undefined) return { uid, gid: Number(passwd?.[3] ?? uid) };
  const gid = /^\d+$/.test(group) ? Number(group) : Number((await record(view, "/etc/group", group))?.[2] ?? Number.NaN);
  if (!Number.isInteger(gid)) throw new RangeError(`the image has no group "${group}"`);
  return { uid, gid };
}

async function record(view: RootfsView, path: string, name: string): Promise<readonly string[] | undefined> {
  const lines = (await view.read(path))?.split("\n") ?? [];
  return lines.map((line) => line.split(":")).find((fields) => fields[0] === name || (/^\d+$/.test(name) && fields[2] === name));
}
