// Values at rest: AES-256-GCM under the server's key, bound to the id of the secret, so that neither a stolen database nor one whose rows
// were exchanged gives a value away.
import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from "node:crypto";
import { LydianError } from "@lydian/protocol";

const CIPHER = "aes-256-gcm";
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

export class Seal {
  readonly #key: Uint8Array;
  readonly #fingerprintKey: Uint8Array;

  /** `key`: 32 bytes. */
  constructor(key: Uint8Array) {
    this.#key = key;
    this.#fingerprintKey = new Uint8Array(hkdfSync("sha256", key, "", "fingerprint", 32));
  }

  /** Equal for equal texts, under this key only; the text cannot be guessed from it without the key. */
  fingerprint(text: string): string {
    return createHmac("sha256", this.#fingerprintKey).update(text).digest("hex");
  }

  close(id: string, text: string): Uint8Array {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv(CIPHER, this.#key, nonce).setAAD(Buffer.from(id));
    const sealed = Buffer.concat([cipher.update(text, "utf8"), cipher.final()]);
    return Buffer.concat([nonce, cipher.getAuthTag(), sealed]);
  }

  /** Throws `data_loss` for what was not sealed with this key and id. */
  open(id: string, bytes: Uint8Array): string {
    const nonce = bytes.subarray(0, NONCE_BYTES);
    const tag = bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES);
    try {
      const decipher = createDecipheriv(CIPHER, this.#key, nonce).setAAD(Buffer.from(id)).setAuthTag(tag);
      return Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES + TAG_BYTES)), decipher.final()]).toString("utf8");
    } catch (cause) {
      throw new LydianError("data_loss", `The secret ${id} cannot be read: it was stored under another key.`, {
        cause,
        hint: "Put the file secrets.key back that belongs to this database, or make the secret again.",
      });
    }
  }
}
