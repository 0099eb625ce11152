import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { InvalidError } from "../errors.ts";
import { readLocalFiles, sha256 } from "./local-files.ts";

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "ly-files-"));
});
afterEach(() => rm(root, { recursive: true }));

const directory = (ignore?: (path: string) => boolean) => readLocalFiles({ local: root, remote: "/data", isDirectory: true, ignore });
const paths = async (found: ReturnType<typeof directory>) => (await found).map(({ path }) => path);

describe("readLocalFiles", () => {
  it("describes a file by place, content and mode", async () => {
    const local = join(root, "tool.sh");
    await writeFile(local, "#!/bin/sh\n");
    await chmod(local, 0o750);
    const [file] = await readLocalFiles({ local, remote: "/usr/bin/tool", isDirectory: false });
    expect(file).toMatchObject({ path: "/usr/bin/tool", sha256: sha256(Buffer.from("#!/bin/sh\n")), mode: 0o750 });
    expect(await file?.read()).toEqual(Buffer.from("#!/bin/sh\n"));
  });

  it("finds everything below a directory, in the order of paths", async () => {
    await mkdir(join(root, "b", "deep"), { recursive: true });
    await mkdir(join(root, "empty"));
    for (const name of ["z.txt", "b/deep/x.txt", "b/a.txt"]) await writeFile(join(root, name), name);
    expect(await paths(directory())).toEqual(["/data/b/a.txt", "/data/b/deep/x.txt", "/data/z.txt"]);
  });

  it("puts a directory at the root without a double slash", async () => {
    await writeFile(join(root, "a.txt"), "");
    expect(await paths(readLocalFiles({ local: root, remote: "/", isDirectory: true }))).toEqual(["/a.txt"]);
  });

  it("leaves out what `ignore` says, by path relative to the directory, and all below an ignored directory", async () => {
    await mkdir(join(root, "logs"));
    for (const name of ["keep.txt", "drop.log", "logs/keep.txt"]) await writeFile(join(root, name), "");
    expect(await paths(directory((path) => path === "logs" || path.endsWith(".log")))).toEqual(["/data/keep.txt"]);
  });

  it("follows links to files and to directories", async () => {
    await mkdir(join(root, "real"));
    await writeFile(join(root, "real", "a.txt"), "a");
    await symlink("real", join(root, "linked"));
    await symlink("real/a.txt", join(root, "b.txt"));
    expect(await paths(directory())).toEqual(["/data/b.txt", "/data/linked/a.txt", "/data/real/a.txt"]);
  });

  it("refuses a link that leads back to a directory above it", async () => {
    await mkdir(join(root, "a"));
    await symlink("..", join(root, "a", "back"));
    await expect(directory()).rejects.toThrow(/back.* leads back/);
  });

  it("names a link that leads nowhere", async () => {
    await symlink("nothing", join(root, "dangling"));
    await expect(directory()).rejects.toThrow(InvalidError);
    await expect(directory()).rejects.toThrow(`${join(root, "dangling")}, which the image adds as /data/dangling, cannot be read.`);
    expect(await paths(directory((path) => path === "dangling"))).toEqual([]);
  });

  it("names what is not there", async () => {
    const missing = join(root, "missing");
    await expect(readLocalFiles({ local: missing, remote: "/x", isDirectory: false })).rejects.toThrow(
      `${missing}, which the image adds as /x, cannot be read.`,
    );
  });

  it("says which method a directory or a file needs", async () => {
    await writeFile(join(root, "a.txt"), "");
    await expect(readLocalFiles({ local: root, remote: "/x", isDirectory: false })).rejects.toThrow("is a directory: use addLocalDir");
    await expect(readLocalFiles({ local: join(root, "a.txt"), remote: "/x", isDirectory: true })).rejects.toThrow(
      "is no directory: use addLocalFile",
    );
  });
});
