// What a server shows to those who connect with TLS.
import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { LydianError } from "@lydian/protocol";

/** Both PEM. */
export interface KeyPair {
  readonly cert: string;
  readonly key: string;
}

export interface Certificates {
  /** For clients that ask for this name or address: the same object until it changes. */
  pairFor(host: string): Promise<KeyPair>;
  /** The certificate, as PEM, that clients have to trust; empty when it is not ours that they trust. */
  authority(): Promise<string>;
}

/** Renewed files are noticed after so long. */
const LOOK_AGAIN_MS = 60_000;

/** Of files that somebody renews. */
export class CertificateFiles implements Certificates {
  readonly #certificate: string;
  readonly #key: string;
  readonly #now: () => number;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #seen = "";
  #pair: Promise<KeyPair> | undefined;

  constructor(certificate: string, key: string, now: () => number) {
    this.#certificate = certificate;
    this.#key = key;
    this.#now = now;
  }

  async pairFor(): Promise<KeyPair> {
    if (this.#pair !== undefined && this.#now() - this.#lookedAt < LOOK_AGAIN_MS) return this.#pair;
    this.#lookedAt = this.#now();
    const before = this.#pair;
    this.#pair = this.#read(before).catch((error: unknown) => {
      // Half-written, or away for a moment: the last one that was whole goes on.
      if (before !== undefined) return before;
      this.#pair = undefined;
      throw new LydianError("failed_precondition", `The certificate for tunnels cannot be used: ${(error as Error).message}.`, {
        hint: `Look at ${this.#certificate} and ${this.#key}.`,
        cause: error,
      });
    });
    return this.#pair;
  }

  async authority(): Promise<string> {
    return "";
  }

  async #read(before: Promise<KeyPair> | undefined): Promise<KeyPair> {
    const files = [this.#certificate, this.#key];
    const seen = (await Promise.all(files.map((path) => stat(path)))).map(({ mtimeMs, size, ino }) => `${mtimeMs} ${size} ${ino}`).join();
    if (before !== undefined && seen === this.#seen) return before;
    const [cert = "", key = ""] = await Promise.all(files.map((path) => readFile(path, "utf8")));
    if (!new X509Certificate(cert).checkPrivateKey(createPrivateKey(key))) throw new Error("the key is not that of the certificate");
    this.#seen = seen;
    return { cert, key };
  }
}
