import { chmod, mkdir } from "node:fs/promises";
import { join } from "node:path";

/** Makes `root/a/b/c` for the path "a/b/c", each readable for everyone whatever the process's umask is. `root` exists. */
export async function makeReadableDirectories(root: string, path: string): Promise<string> {
  let at = root;
  for (const component of path.split("/").filter((part) => part !== "")) {
    at = join(at, component);
    const made = await mkdir(at).then(
      () => true,
      (error: NodeJS.ErrnoException) => {
        if (error.code === "EEXIST") return false;
        throw error;
      },
    );
    if (made) await chmod(at, 0o755);
  }
  return at;
}
