// CBOR (RFC 8949) to JavaScript values, from anyone: bounded in depth, items and lengths, and it runs no code of what it reads.
import { ByteReader } from "./byte-reader.ts";
import { readTagged } from "./read-tagged.ts";
import { TAG } from "./tags.ts";

export interface ResolvedLimits {
  readonly maxDepth: number;
  readonly maxItems: number;
}

export class Decoder {
  readonly #in: ByteReader;
  readonly #limits: ResolvedLimits;
  #depth = 0;
  #items = 0;

  constructor(bytes: Uint8Array, limits: ResolvedLimits) {
    this.#in = new ByteReader(bytes);
    this.#limits = limits;
  }

  decode(): unknown {
    const value = this.#value();
    if (this.#in.remaining > 0) this.#in.fail(`${this.#in.remaining} bytes follow the value`);
    return value;
  }

  #value(): unknown {
    const head = this.#in.byte();
    const info = head & 31;
    switch (head >> 5) {
      case 0:
        return this.#in.argument(info);
      case 1: {
        const argument = this.#in.argument(info);
        if (typeof argument === "bigint") return -1n - argument;
        return argument < Number.MAX_SAFE_INTEGER ? -1 - argument : -1n - BigInt(argument);
      }
      case 2:
        return this.#in.bytes(info);
      case 3:
        return this.#in.text(info);
      case 4:
        return this.#nested(info, this.#array);
      case 5:
        return this.#nested(info, this.#record);
      case 6:
        return this.#nested(info, this.#tagged);
      default:
        return this.#simple(info);
    }
  }

  #nested(info: number, read: (this: Decoder, info: number) => unknown): unknown {
    if (++this.#depth > this.#limits.maxDepth) this.#in.fail(`it is nested more than ${this.#limits.maxDepth} deep`);
    const value = read.call(this, info);
    this.#depth--;
    return value;
  }

  /** Items to read, or undefined for "until the end mark". Each has `size` or more items of its own. */
  #count(info: number): number | undefined {
    return info === 31 ? undefined : this.#in.count(info);
  }

  #more(count: number | undefined, index: number): boolean {
    if (count === undefined ? this.#in.atBreak() : index >= count) return false;
    if (++this.#items > this.#limits.maxItems) this.#in.fail(`it has more than ${this.#limits.maxItems} items`);
    return true;
  }

  #array(info: number): unknown[] {
    const count = this.#count(info);
    const values: unknown[] = [];
    for (let i = 0; this.#more(count, i); i++) values.push(this.#value());
    return values;
  }

  /** An object, or a Map when any key is no string. */
  #record(info: number): unknown {
    const count = this.#count(info);
    const record: Record<string, unknown> = {};
    for (let i = 0; this.#more(count, i); i++) {
      const key = this.#value();
      if (typeof key !== "string") return this.#map(count, i, key, new Map(Object.entries(record)));
      const value = this.#value();
      if (record[key] !== undefined || key === "__proto__") this.#unusualKey(record, key, value);
      else record[key] = value;
    }
    return record;
  }

  #unusualKey(record: Record<string, unknown>, key: string, value: unknown): void {
    if (Object.hasOwn(record, key)) this.#in.fail(`key ${JSON.stringify(key)} occurs twice`);
    Object.defineProperty(record, key, { value, writable: true, configurable: true, enumerable: true });
  }

  /** Reads on from item `index`, whose key has been read if it is given. */
  #map(count: number | undefined, index: number, key: unknown, map: Map<unknown, unknown>): Map<unknown, unknown> {
    map.set(key, this.#value());
    for (let i = index + 1; this.#more(count, i); i++) {
      const next = this.#value();
      if (map.has(next)) this.#in.fail("a key occurs twice");
      map.set(next, this.#value());
    }
    return map;
  }

  #tagged(info: number): unknown {
    const tag = this.#in.argument(info);
    if (typeof tag === "bigint") return this.#in.fail(`tag ${tag} is unknown`);
    if (tag === TAG.map) return this.#taggedMap();
    return readTagged(tag, this.#value(), this.#in);
  }

  #taggedMap(): Map<unknown, unknown> {
    const head = this.#in.byte();
    if (head >> 5 !== 5) this.#in.fail("a map tag has no map");
    const count = this.#count(head & 31);
    return this.#more(count, 0) ? this.#map(count, 0, this.#value(), new Map()) : new Map();
  }

  #simple(info: number): unknown {
    switch (info) {
      case 20:
        return false;
      case 21:
        return true;
      case 22:
        return null;
      case 23:
        return undefined;
      case 25:
        return this.#in.float(2);
      case 26:
        return this.#in.float(4);
      case 27:
        return this.#in.float(8);
      default:
        return this.#in.fail(info === 31 ? "an end mark stands alone" : `simple value ${info} is unknown`);
    }
  }
}
