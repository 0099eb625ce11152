import type { Duration } from "../../duration.ts";
import { sandboxFromId } from "../../sandbox/sandbox-handle.ts";
import { type CommonOptions, printJson } from "../commands/options.ts";
import { withServer } from "../connect.ts";

export interface SnapshotFlags extends CommonOptions {
  readonly directory?: string;
  readonly ttl?: string;
}

/** Prints the id of the image. */
export async function snapshot(id: string, flags: SnapshotFlags): Promise<void> {
  const ttl = flags.ttl === undefined ? {} : { ttl: flags.ttl === "forever" ? null : (flags.ttl as Duration) };
  const imageId = await withServer(flags, async (client) => {
    const sandbox = await sandboxFromId(id, client);
    const image = flags.directory === undefined ? sandbox.snapshotFilesystem(ttl) : sandbox.snapshotDirectory(flags.directory, ttl);
    return (await image).id;
  });
  if (flags.json) printJson({ image_id: imageId, sandbox_id: id, directory: flags.directory ?? null });
  else process.stdout.write(`${imageId}\n`);
}
