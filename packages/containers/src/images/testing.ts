// For system tests of any package: the base images are made once on a machine, not once a test.
import { mkdir, symlink } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { LayerStore } from "./layer-store.ts";

/** Where tests keep layers: `LYDIAN_TEST_CACHE`, else `~/.cache/lydian-test`. */
function testLayersDir(): string {
  return join(process.env.LYDIAN_TEST_CACHE ?? join(homedir(), ".cache", "lydian-test"), "layers");
}

/** The layer store that all system tests of a machine share. */
export async function testLayerStore(): Promise<LayerStore> {
  return LayerStore.open({ dir: testLayersDir() });
}

/** Makes a server with this data directory use the shared layers. Call it before the server's first start. */
export async function shareTestLayers(dataDir: string): Promise<void> {
  await mkdir(testLayersDir(), { recursive: true, mode: 0o700 });
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  await symlink(testLayersDir(), join(dataDir, "layers"));
}
