// Ids of calls in one byte field: 22 characters each, without the prefix that they share.
import { LydianError } from "../errors.ts";
import { CALL_CHARACTERS, CALL_PREFIX } from "./input-ids.ts";

export function packCallIds(ids: readonly string[]): Uint8Array {
  const bytes = Buffer.allocUnsafe(ids.length * CALL_CHARACTERS);
  let at = 0;
  for (const id of ids) at += bytes.write(id.slice(CALL_PREFIX.length), at, CALL_CHARACTERS, "latin1");
  return bytes.subarray(0, at);
}

export function unpackCallIds(bytes: Uint8Array): string[] {
  if (bytes.byteLength % CALL_CHARACTERS !== 0)
    throw new LydianError("invalid_argument", `${bytes.byteLength} bytes are no ids of calls, which have ${CALL_CHARACTERS} each.`);
  const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
  const ids: string[] = [];
  for (let at = 0; at < all.length; at += CALL_CHARACTERS) ids.push(CALL_PREFIX + all.slice(at, at + CALL_CHARACTERS));
  return ids;
}
