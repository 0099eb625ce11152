// What is downloaded once on a machine and kept outside of the repository: layers of images, clients.
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { access, mkdir, mkdtemp, rename, rm, symlink } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";

/** `LYDIAN_TEST_CACHE`, else `~/.cache/lydian-test`. */
const cacheDir = process.env.LYDIAN_TEST_CACHE ?? join(homedir(), ".cache", "lydian-test");

/** Makes a server with this data directory use the layers that all tests of the machine share. To be called before its first start. */
export async function shareLayers(dataDir: string): Promise<void> {
  const layers = join(cacheDir, "layers");
  await mkdir(layers, { recursive: true, mode: 0o700 });
  await symlink(layers, join(dataDir, "layers"));
}

const clients = join(cacheDir, "clients");

function directoryOf(name: string, recipe: unknown): string {
  const key = createHash("sha256").update(JSON.stringify(recipe)).digest("hex").slice(0, 12);
  return join(clients, `${name}-${key}`);
}

/** Whether it was made before. */
export const isCached = (name: string, recipe: unknown): boolean => existsSync(directoryOf(name, recipe));

/**
 * The directory of this recipe, made if it is not there yet. What is made must bear to be renamed: a name in the cache means a whole
 * directory, also when several runs make it at the same time.
 */
export async function cached(name: string, recipe: unknown, make: (dir: string) => Promise<void>): Promise<string> {
  const dir = directoryOf(name, recipe);
  const exists = await access(dir).then(
    () => true,
    () => false,
  );
  if (exists) return dir;
  await mkdir(clients, { recursive: true });
  const temporary = await mkdtemp(join(clients, ".tmp-"));
  try {
    await make(temporary);
    await rename(temporary, dir).catch((error: NodeJS.ErrnoException) => {
      // Another run was faster.
      if (error.code !== "ENOTEMPTY" && error.code !== "EEXIST") throw error;
    });
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
  return dir;
}
