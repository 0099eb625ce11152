// Names, addresses and ports of tunnels follow from a key of this server and from what they lead to. So nobody guesses a name, and after a
// restart a tunnel is where it was, without anything being stored.
import { createHmac } from "node:crypto";
import type { PortRange } from "./settings.ts";

export class TunnelNames {
  readonly #key: Uint8Array;

  constructor(key: Uint8Array) {
    this.#key = key;
  }

  /** 128 bits as a DNS label. `what`: the port, or what else of the container it leads to. */
  label(ownerId: string, what: string): string {
    return this.#hash(`label ${ownerId} ${what}`).subarray(0, 16).toString("hex");
  }

  /** Of 127.0.0.0/8, away from the addresses that systems use themselves. Browsers keep the cookies of different addresses apart. */
  loopbackAddress(ownerId: string): string {
    const [a = 0, b = 0, c = 0] = this.#hash(`loopback ${ownerId}`);
    return `127.${1 + (a % 254)}.${b}.${1 + (c % 254)}`;
  }

  /** Where to begin looking for a free one. */
  firstPort(what: string, { from, to }: PortRange): number {
    return from + (this.#hash(`port ${what}`).readUInt32BE(0) % (to - from + 1));
  }

  #hash(text: string): Buffer {
    return createHmac("sha256", this.#key).update(text).digest();
  }
}
