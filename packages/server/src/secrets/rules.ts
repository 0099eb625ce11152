// What a secret may be called and hold. Messages name keys, never values.
import { LydianError } from "@lydian/protocol";

const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/;
const KEY = /^[A-Za-z_][A-Za-z0-9_]{0,255}$/;
const MAX_KEYS = 256;
const MAX_VALUE_BYTES = 64 * 1024;
const MAX_BYTES = 512 * 1024;

export function checkSecretName(name: string): void {
  if (NAME.test(name)) return;
  const shown = JSON.stringify(name.slice(0, 100));
  throw new LydianError(
    "invalid_argument",
    `${shown} is not a name of a secret: 1 to 64 letters, digits, or any of "_.-", beginning with a letter or digit.`,
  );
}

export function checkVariables(variables: Readonly<Record<string, string>>): void {
  const entries = Object.entries(variables);
  if (entries.length > MAX_KEYS) throw invalid(`A secret has ${entries.length} variables; it may have ${MAX_KEYS}.`);
  let total = 0;
  for (const [key, value] of entries) {
    if (!KEY.test(key))
      throw invalid(
        `${JSON.stringify(key.slice(0, 100))} is not a name of a variable: letters, digits and "_", not beginning with a digit.`,
      );
    if (value.includes("\0")) throw invalid(`The value of ${key} has a zero byte, which no environment can hold.`);
    const bytes = Buffer.byteLength(value);
    if (bytes > MAX_VALUE_BYTES) throw invalid(`The value of ${key} has ${bytes} bytes; it may have ${MAX_VALUE_BYTES}.`);
    total += bytes;
  }
  if (total > MAX_BYTES) throw invalid(`The values of a secret have ${total} bytes; all together they may have ${MAX_BYTES}.`);
}

const invalid = (message: string) => new LydianError("invalid_argument", message);
