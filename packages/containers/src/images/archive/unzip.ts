// Single files out of a zip archive, e.g. a wheel. Only names that were asked for are read, and written to places that
// the archive has no say in.
import { createWriteStream } from "node:fs";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { promisify } from "node:util";
import { type Entry, open, type ZipFile } from "yauzl";
import { ImageError } from "../errors.ts";

const MAX_ENTRIES = 100_000;
const MAX_FILE_BYTES = 512 * 2 ** 20;

const openZip = promisify<string, { lazyEntries: boolean }, ZipFile>(open);

/** Writes the files for which `place` gives a path. Resolves with how many they were. */
export async function unzipFiles(archive: string, place: (name: string) => string | undefined, signal: AbortSignal): Promise<number> {
  let written = 0;
  await readZip(archive, async (name, read) => {
    const path = place(name);
    if (path === undefined) return;
    await pipeline(await read(), createWriteStream(path, { flags: "wx" }), { signal });
    written += 1;
  });
  return written;
}

/** Shows every entry, one after the other; its content is read only when it is asked for. */
export async function readZip(archive: string, visit: (name: string, read: () => Promise<Readable>) => Promise<void>): Promise<void> {
  const zip = await openZip(archive, { lazyEntries: true }).catch((error: unknown) => {
    throw new ImageError("corrupt", "The archive is not a zip file.", { cause: error });
  });
  let entries = 0;
  try {
    for await (const entry of entriesOf(zip)) {
      entries += 1;
      if (entries > MAX_ENTRIES) throw new ImageError("corrupt", `The archive has more than ${MAX_ENTRIES} entries.`);
      await visit(entry.fileName, () => {
        if (entry.uncompressedSize > MAX_FILE_BYTES)
          throw new ImageError("corrupt", `${entry.fileName} in the archive has more than ${MAX_FILE_BYTES} bytes.`);
        // yauzl ends the stream with an error when there is more than the entry says.
        return promisify<Entry, Readable>((of, callback) => zip.openReadStream(of, callback))(entry);
      });
    }
  } finally {
    zip.close();
  }
}

async function* entriesOf(zip: ZipFile): AsyncGenerator<Entry> {
  while (true) {
    const entry = await new Promise<Entry | undefined>((resolve, reject) => {
      const settle = (action: () => void): void => {
        for (const event of ["entry", "end", "error"]) zip.removeAllListeners(event);
        zip.on("error", () => {}); // Reported by whoever waits; late ones must not end the process.
        action();
      };
      zip.once("entry", (found: Entry) => settle(() => resolve(found)));
      zip.once("end", () => settle(() => resolve(undefined)));
      zip.once("error", (error: Error) =>
        settle(() => reject(new ImageError("corrupt", `The archive cannot be read: ${error.message}`, { cause: error }))),
      );
      zip.readEntry();
    });
    if (entry === undefined) return;
    yield entry;
  }
}
