// The right to send HTTP requests to one port of one container, and what is told to the program behind it about who has the right. Sealed
// with a key of this server; it is worth something as long as the container lives.
import { createHmac, timingSafeEqual } from "node:crypto";
import { LydianError } from "@lydian/protocol";

export interface ConnectRight {
  readonly ownerId: string;
  readonly port: number;
  /** Whatever the maker of the token wants the program to know. */
  readonly metadata: string;
}

const PREFIX = "ct-";
const MAX_METADATA_BYTES = 1_024;
const MAX_PAYLOAD = 4_096;
const DEFAULT_PORT = 8080;
// biome-ignore lint/suspicious/noControlCharactersInRegex: those that a header cannot carry
const CONTROL = /[\u0000-\u001f\u007f]/;

export class ConnectTokens {
  readonly #key: Uint8Array;

  constructor(key: Uint8Array) {
    this.#key = key;
  }

  issue({ ownerId, port = DEFAULT_PORT, metadata }: Omit<ConnectRight, "port"> & { readonly port: number | undefined }): string {
    if (port < 1 || port > 65_535)
      throw new LydianError("invalid_argument", `A connect token is for the port ${port}; it must be from 1 to 65535.`);
    const bytes = Buffer.byteLength(metadata);
    if (bytes > MAX_METADATA_BYTES)
      throw new LydianError("invalid_argument", `The metadata of a connect token has ${bytes} bytes; it may have ${MAX_METADATA_BYTES}.`);
    if (CONTROL.test(metadata))
      throw new LydianError("invalid_argument", "The metadata of a connect token has a line break or another control character.", {
        hint: "Programs get it as the value of a header: send JSON on one line.",
      });
    const payload = Buffer.from(JSON.stringify([ownerId, port, metadata])).toString("base64url");
    return `${PREFIX}${payload}.${this.#seal(payload)}`;
  }

  /** Undefined when this server has not issued it. */
  verify(token: string): ConnectRight | undefined {
    const [, payload = "", seal = ""] = /^ct-([\w-]+)\.([\w-]{43})$/.exec(token) ?? [];
    if (payload === "" || payload.length > MAX_PAYLOAD) return undefined;
    if (!timingSafeEqual(Buffer.from(seal), Buffer.from(this.#seal(payload)))) return undefined;
    const [ownerId, port, metadata] = JSON.parse(Buffer.from(payload, "base64url").toString()) as [string, number, string];
    return { ownerId, port, metadata };
  }

  #seal(payload: string): string {
    return createHmac("sha256", this.#key).update(`connect ${payload}`).digest("base64url");
  }
}
