// JavaScript values to CBOR (RFC 8949). What cannot arrive as it was is refused with its path, never dropped or changed in silence.
import { ByteWriter } from "./byte-writer.ts";
import { describe, type ErrorScope, mayDescribe, newErrorScope, textOf } from "./errors.ts";
import { MAX_BIGNUM_BYTES, MAX_DEPTH, MAX_ENCODED_BYTES } from "./limits.ts";
import { SerializationError } from "./serialization-error.ts";
import { TAG, Tagged } from "./tags.ts";
import { tagOfArray } from "./typed-arrays.ts";

const MAX_SAFE = BigInt(Number.MAX_SAFE_INTEGER);
const UINT64 = 1n << 64n;

const FALSE = 0xf4;
const TRUE = 0xf5;
const NULL = 0xf6;
const UNDEFINED = 0xf7;

export class Encoder {
  readonly #rich: boolean;
  readonly #out = new ByteWriter();
  /** The containers around the current value, and the key of each step: an index or a property name. */
  readonly #ancestors: object[] = [];
  readonly #path: (string | number)[] = [];

  readonly #maxDepth: number;
  readonly #scope: ErrorScope;

  /** `rich`: the reader is one of ours, so undefined, -0, small bigints and string-keyed Maps stay what they are. */
  constructor(rich: boolean, inside: { scope: ErrorScope; maxDepth: number } = { scope: newErrorScope(), maxDepth: MAX_DEPTH }) {
    this.#rich = rich;
    this.#scope = inside.scope;
    this.#maxDepth = inside.maxDepth;
  }

  encode(value: unknown): Uint8Array<ArrayBuffer> {
    this.#value(value);
    return this.#out.finish();
  }

  #value(value: unknown): void {
    if (typeof value === "string") this.#string(value);
    else if (typeof value === "number") this.#number(value);
    else if (value === null) this.#out.byte(NULL);
    else if (typeof value === "object") this.#object(value);
    else if (typeof value === "boolean") this.#out.byte(value ? TRUE : FALSE);
    else if (value === undefined) this.#out.byte(this.#rich ? UNDEFINED : NULL);
    else if (typeof value === "bigint") this.#bigint(value);
    else this.#refuse(`a ${typeof value}`);
  }

  #string(value: string): void {
    if (value.length >= 24 || !isAscii(value)) {
      // Not in the types of the language level we target; in every Node that we run on.
      if (!(value as unknown as { isWellFormed(): boolean }).isWellFormed()) this.#refuse("a string with half a surrogate pair");
    }
    this.#out.text(value);
  }

  #number(value: number): void {
    if (!Number.isSafeInteger(value) || (this.#rich && Object.is(value, -0))) this.#out.float64(value);
    else if (value >= 0) this.#out.head(0, Math.abs(value));
    else this.#out.head(1, -1 - value);
  }

  #bigint(value: bigint): void {
    const negative = value < 0n;
    const magnitude = negative ? -1n - value : value;
    const readsAsNumber = value >= -MAX_SAFE && value <= MAX_SAFE;
    if (magnitude < UINT64 && !(readsAsNumber && this.#rich)) {
      const major = negative ? 1 : 0;
      if (readsAsNumber) this.#out.head(major, Number(magnitude));
      else this.#out.head64(major, magnitude);
      return;
    }
    let hex = magnitude === 0n ? "" : magnitude.toString(16);
    if (hex.length % 2 === 1) hex = `0${hex}`;
    if (hex.length / 2 > MAX_BIGNUM_BYTES) this.#refuse(`a bigint of ${hex.length / 2} bytes (at most ${MAX_BIGNUM_BYTES})`);
    this.#out.head(6, negative ? TAG.negativeBignum : TAG.positiveBignum);
    this.#out.bytes(Buffer.from(hex, "hex"));
  }

  #object(value: object): void {
    if (value instanceof Uint8Array && !(value instanceof Uint8ClampedArray)) {
      this.#bytes(value);
      return;
    }
    if (this.#ancestors.length >= this.#maxDepth) this.#tooDeep(value);
    this.#ancestors.push(value);
    if (Array.isArray(value)) this.#array(value);
    else {
      const prototype: unknown = Object.getPrototypeOf(value);
      if (prototype === Object.prototype || prototype === null) this.#record(value as Record<string, unknown>);
      else this.#instance(value);
    }
    this.#ancestors.pop();
  }

  #array(values: readonly unknown[]): void {
    this.#out.head(4, values.length);
    this.#checkSize();
    for (let i = 0; i < values.length; i++) this.#at(i, values[i]);
  }

  #record(record: Readonly<Record<string, unknown>>): void {
    const keys = Object.keys(record);
    let count = keys.length;
    // As in JSON, a property that is undefined is none. Between our own it is kept.
    if (!this.#rich) for (const key of keys) if (record[key] === undefined) count--;
    this.#out.head(5, count);
    this.#checkSize();
    for (const key of keys) {
      const value = record[key];
      if (value === undefined && !this.#rich) continue;
      this.#string(key);
      this.#at(key, value);
    }
  }

  #at(key: string | number, value: unknown): void {
    this.#path.push(key);
    this.#value(value);
    this.#path.pop();
  }

  #instance(value: object): void {
    if (value instanceof Date) this.#date(value);
    else if (value instanceof Map) this.#map(value);
    else if (value instanceof Set) this.#tagged(TAG.set, [...value]);
    else if (value instanceof ArrayBuffer) this.#arrayBuffer(value);
    else if (ArrayBuffer.isView(value)) this.#view(value);
    else if (value instanceof Error) this.#error(value);
    else if (value instanceof Encoded) this.#out.raw(value.bytes);
    else if (value instanceof URL) this.#tagged(TAG.uri, value.href);
    else if (value instanceof RegExp) this.#regexp(value);
    else if (value instanceof Tagged) this.#tagged(value.tag, value.value);
    else if (value instanceof Number || value instanceof String || value instanceof Boolean) this.#value(value.valueOf());
    else if (value instanceof Promise) this.#refuse("a Promise", "Is an `await` missing?");
    else this.#classInstance(value as { toJSON?: unknown; [Symbol.toStringTag]?: unknown });
  }

  /** As JSON has it: what `toJSON` says, else the own enumerable fields. */
  #classInstance(value: { toJSON?: unknown; [Symbol.toStringTag]?: unknown }): void {
    const tag = value[Symbol.toStringTag];
    if (typeof value.toJSON === "function") this.#value(value.toJSON(""));
    // Platform objects (Response, ReadableStream, WeakMap, generators, ...) keep what they are where no reader can get at it.
    else if (typeof tag === "string") this.#refuse(`a ${tag}`);
    else this.#record(value as Record<string, unknown>);
  }

  #tagged(tag: number, value: unknown): void {
    this.#out.head(6, tag);
    this.#value(value);
  }

  #bytes(value: Uint8Array): void {
    this.#checkSize(value.byteLength);
    this.#out.bytes(value);
  }

  #arrayBuffer(value: ArrayBuffer): void {
    const bytes = new Uint8Array(value);
    if (this.#rich) this.#tagged(TAG.object, ["ArrayBuffer", bytes]);
    else this.#bytes(bytes);
  }

  #view(view: ArrayBufferView): void {
    const tag = tagOfArray(view);
    if (tag === undefined) this.#refuse(`a ${view.constructor.name}`, "Send a Uint8Array of its bytes.");
    this.#tagged(tag, new Uint8Array(view.buffer, view.byteOffset, view.byteLength));
  }

  #date(date: Date): void {
    const ms = date.getTime();
    if (Number.isNaN(ms)) this.#refuse("an invalid Date");
    this.#tagged(TAG.epochSeconds, ms / 1000);
  }

  #error(error: Error): void {
    if (!mayDescribe(error, this.#scope)) {
      this.#out.text(textOf(error));
      return;
    }
    // Fields are kept as the bytes that proved they can be sent: encoding them again would double the work at each level.
    this.#tagged(TAG.object, ["Error", describe(error, this.#scope, (_value, encoded) => new Encoded(encoded))]);
  }

  #regexp({ source, flags }: RegExp): void {
    if (this.#rich) {
      this.#tagged(TAG.object, ["RegExp", source, flags]);
      return;
    }
    // Other languages write the flags that they share with us inside the pattern.
    const inline = flags.replace(/[^ims]/g, "");
    this.#tagged(TAG.regexp, inline === "" ? source : `(?${inline})${source}`);
  }

  #map(map: ReadonlyMap<unknown, unknown>): void {
    if (this.#rich) this.#out.head(6, TAG.map);
    this.#out.head(5, map.size);
    for (const [key, value] of map) {
      const step = typeof key === "string" || typeof key === "number" ? key : String(typeof key);
      this.#at(step, key);
      this.#at(step, value);
    }
  }

  #checkSize(more = 0): void {
    if (this.#out.length + more > MAX_ENCODED_BYTES) this.#refuse(`a value of more than ${MAX_ENCODED_BYTES} encoded bytes`);
  }

  /** Cycles are only looked for here: walking one always ends here, and other values pay nothing for the search. */
  #tooDeep(value: object): never {
    const repeated = this.#ancestors.findIndex((ancestor, i) => this.#ancestors.indexOf(ancestor) < i);
    if (repeated < 0 && !this.#ancestors.includes(value)) this.#refuse(`a value nested more than ${this.#maxDepth} deep`);
    if (repeated > 0) this.#path.length = Math.min(this.#path.length, repeated);
    return this.#refuse("a circular reference");
  }

  #refuse(what: string, hint?: string): never {
    const path = this.#path.map(step).join("");
    throw new SerializationError(`cannot send ${what}${path === "" ? "" : ` at ${path}`}`, { path, ...(hint !== undefined && { hint }) });
  }
}

/** A value that has been encoded already. */
class Encoded {
  readonly bytes: Uint8Array;
  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }
}

function step(key: string | number): string {
  if (typeof key === "number") return `[${key}]`;
  return /^[A-Za-z_$][\w$]*$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`;
}

function isAscii(value: string): boolean {
  for (let i = 0; i < value.length; i++) if (value.charCodeAt(i) > 0x7f) return false;
  return true;
}
