import { randomBytes } from "node:crypto";
import { open, readFile } from "node:fs/promises";
import { LydianError } from "@lydian/protocol";

const KEY_BYTES = 32;

/** Reads a key of 32 bytes, or makes it at the first start. Mode 0600. `hint`: what to do when the file is damaged. */
export async function loadKey(path: string, hint: string): Promise<Uint8Array> {
  try {
    const file = await open(path, "wx", 0o600);
    try {
      await file.writeFile(randomBytes(KEY_BYTES));
      await file.sync();
    } finally {
      await file.close();
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
  const key = await readFile(path);
  if (key.length === KEY_BYTES) return key;
  throw new LydianError("data_loss", `The key file ${path} has ${key.length} bytes instead of ${KEY_BYTES}.`, { hint });
}
