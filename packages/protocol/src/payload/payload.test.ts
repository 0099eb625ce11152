import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MAX_BIGNUM_BYTES, MAX_DEPTH } from "./limits.ts";
import { decodePayload, encodePayload } from "./payload.ts";
import { SerializationError } from "./serialization-error.ts";
import { Tagged } from "./tags.ts";

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

function rich(value: unknown): unknown {
  return decodePayload(encodePayload(value, { rich: true }));
}

function plain(value: unknown): unknown {
  return decodePayload(encodePayload(value));
}

function refusal(work: () => unknown): SerializationError {
  try {
    work();
  } catch (error) {
    if (error instanceof SerializationError) return error;
    throw error;
  }
  throw new Error("expected a refusal");
}

/** Values that arrive between two Lydian programs as they were. */
const anyValue = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, depthSize: "small" },
    fc.constantFrom(null, undefined, true, false, -0, Number.NaN, Number.POSITIVE_INFINITY, Number.MAX_SAFE_INTEGER),
    fc.integer(),
    fc.maxSafeInteger(),
    fc.double(),
    fc.bigInt(),
    fc.bigInt({ min: -(2n ** 66n), max: 2n ** 66n }),
    fc.string({ unit: "binary" }),
    fc.date({ noInvalidDate: true }),
    fc.uint8Array(),
    fc.int16Array(),
    fc.float64Array(),
    fc.bigInt64Array(),
    fc.webUrl().map((url) => new URL(url)),
    fc.array(tie("value")),
    fc.dictionary(fc.string(), tie("value"), { noNullPrototype: true }),
    fc.array(tie("value")).map((values) => new Set(values)),
    fc.array(fc.tuple(fc.oneof(fc.string(), fc.integer(), fc.boolean()), tie("value"))).map((entries) => new Map(entries)),
  ),
})).value;

describe("between two Lydian programs", () => {
  it("every value arrives as it was", () => {
    fc.assert(
      fc.property(anyValue, (value) => {
        expect(rich(value)).toStrictEqual(value);
      }),
    );
  });

  it.each([
    ["undefined in an object", { a: undefined }],
    ["a small bigint", [5n, -5n, 0n, 2n ** 53n, -(2n ** 53n), 2n ** 64n, -(2n ** 64n) - 1n]],
    ["a Map with string keys", new Map([["a", 1]])],
    ["an empty Map", new Map()],
    ["an ArrayBuffer", new Uint8Array([1, 2]).buffer],
    ["a RegExp", /a+b/giu],
    ["a key __proto__", JSON.parse('{"__proto__": {"polluted": true}, "constructor": 1, "toString": 2}')],
    ["Dates far away", [-8.64e15, 8.64e15, 1 - 8.64e15, -4_339_915_419_303_386, -1, 1_700_000_000_123].map((ms) => new Date(ms))],
    ["a tagged value", new Tagged(12345, ["x"])],
  ])("%s arrives as it was", (_what: string, value: unknown) => {
    expect(rich(value)).toStrictEqual(value);
    expect(Object.is(rich(-0), -0)).toBe(true);
  });

  it("a key __proto__ changes no prototype", () => {
    const value = rich(JSON.parse('{"__proto__": {"polluted": true}}')) as object;
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
  });
});

describe("for other languages", () => {
  it("values become their nearest CBOR", () => {
    expect(plain([undefined, -0, 5n, new Map([["a", 1]]), { a: undefined, b: 1 }])).toStrictEqual([null, 0, 5, { a: 1 }, { b: 1 }]);
    expect(plain(/a/gi)).toStrictEqual(/a/i);
    expect(plain(new Uint8Array([1]).buffer)).toStrictEqual(new Uint8Array([1]));
  });

  it("integers are integers up to 2^53 - 1 and numbers beyond stay floats", () => {
    expect(hex(encodePayload(Number.MAX_SAFE_INTEGER))).toBe("1b001fffffffffffff");
    expect(hex(encodePayload(Number.MIN_SAFE_INTEGER))).toBe("3b001ffffffffffffe");
    expect(hex(encodePayload(2 ** 53))).toBe("fb4340000000000000");
    expect(plain(2n ** 63n)).toBe(2n ** 63n);
    expect(plain(-(2n ** 64n))).toBe(-(2n ** 64n));
  });

  it("class instances are sent as JSON would", () => {
    class Point {
      x = 1;
      #secret = 2;
      get sum() {
        return this.x + this.#secret;
      }
    }
    expect(plain(new Point())).toStrictEqual({ x: 1 });
    expect(
      plain(
        {
          toJSON: () => 1,
          y: new (class {
            toJSON = () => "z";
          })(),
        }.y,
      ),
    ).toBe("z");
    expect(plain(Object("boxed"))).toBe("boxed");
  });
});

// RFC 8949, appendix A.
describe("the vectors of the specification", () => {
  it.each<[string, unknown]>([
    ["00", 0],
    ["01", 1],
    ["0a", 10],
    ["17", 23],
    ["1818", 24],
    ["1819", 25],
    ["1864", 100],
    ["1903e8", 1000],
    ["1a000f4240", 1_000_000],
    ["1b000000e8d4a51000", 1_000_000_000_000],
    ["1bffffffffffffffff", 18446744073709551615n],
    ["c249010000000000000000", 18446744073709551616n],
    ["3bffffffffffffffff", -18446744073709551616n],
    ["c349010000000000000000", -18446744073709551617n],
    ["20", -1],
    ["29", -10],
    ["3863", -100],
    ["3903e7", -1000],
    ["fb3ff199999999999a", 1.1],
    ["fb7e37e43c8800759c", 1.0e300],
    ["fbc010666666666666", -4.1],
    ["f4", false],
    ["f5", true],
    ["f6", null],
    ["40", new Uint8Array()],
    ["4401020304", Uint8Array.of(1, 2, 3, 4)],
    ["60", ""],
    ["6161", "a"],
    ["6449455446", "IETF"],
    ["62225c", '"\\'],
    ["62c3bc", "ü"],
    ["63e6b0b4", "水"],
    ["64f0908591", "𐅑"],
    ["80", []],
    ["83010203", [1, 2, 3]],
    ["8301820203820405", [1, [2, 3], [4, 5]]],
    ["a0", {}],
    ["a26161016162820203", { a: 1, b: [2, 3] }],
    ["826161a161626163", ["a", { b: "c" }]],
    ["c11a514b67b0", new Date(1363896240000)],
    ["c1fb41d452d9ec200000", new Date(1363896240500)],
    ["d82076687474703a2f2f7777772e6578616d706c652e636f6d", null],
  ])("%s is read and written", (bytes, value) => {
    if (value === null && bytes !== "f6")
      return expect(decodePayload(Buffer.from(bytes, "hex"))).toStrictEqual(new URL("http://www.example.com"));
    expect(decodePayload(Buffer.from(bytes, "hex"))).toStrictEqual(value);
    expect(hex(encodePayload(value))).toBe(bytes);
  });

  it.each<[string, unknown]>([
    ["f90000", 0],
    ["f98000", -0],
    ["f93c00", 1],
    ["f93e00", 1.5],
    ["f97bff", 65504],
    ["fa47c35000", 100000],
    ["fa7f7fffff", 3.4028234663852886e38],
    ["f90001", 2 ** -24],
    ["f90400", 2 ** -14],
    ["f9c400", -4],
    ["f97c00", Number.POSITIVE_INFINITY],
    ["f97e00", Number.NaN],
    ["f9fc00", Number.NEGATIVE_INFINITY],
    ["faff800000", Number.NEGATIVE_INFINITY],
    ["f7", undefined],
    ["c074323031332d30332d32315432303a30343a30305a", new Date("2013-03-21T20:04:00Z")],
    ["d903ec6a323031332d30332d3231", new Date("2013-03-21")],
    [
      "a201020304",
      new Map([
        [1, 2],
        [3, 4],
      ]),
    ],
    ["5f42010243030405ff", Uint8Array.of(1, 2, 3, 4, 5)],
    ["7f657374726561646d696e67ff", "streaming"],
    ["9fff", []],
    ["9f018202039f0405ffff", [1, [2, 3], [4, 5]]],
    ["83018202039f0405ff", [1, [2, 3], [4, 5]]],
    ["bf61610161629f0203ffff", { a: 1, b: [2, 3] }],
    ["bf6346756ef563416d7421ff", { Fun: true, Amt: -2 }],
    ["c48221196ab3", "273.15"],
    ["d82550000102030405060708090a0b0c0d0e0f", "00010203-0405-0607-0809-0a0b0c0d0e0f"],
    ["d8414400010002", Uint16Array.of(1, 2)],
    ["d9d9f783010203", [1, 2, 3]],
    ["d8184401020304", new Tagged(24, Uint8Array.of(1, 2, 3, 4))],
  ])("%s is read", (bytes, value) => {
    expect(decodePayload(Buffer.from(bytes, "hex"))).toStrictEqual(value);
  });
});

describe("what cannot be sent is refused with its path", () => {
  it.each<[unknown, string]>([
    [{ user: { save() {} } }, "cannot send a function at .user.save"],
    [[1, { "a b": Symbol("x") }], 'cannot send a symbol at [1]["a b"]'],
    [{ later: Promise.resolve() }, "cannot send a Promise at .later"],
    [() => {}, "cannot send a function"],
    [{ at: new Date(Number.NaN) }, "cannot send an invalid Date at .at"],
    [["ok", "\ud800"], "cannot send a string with half a surrogate pair at [1]"],
    [{ "\udc00": 1 }, "cannot send a string with half a surrogate pair"],
    [{ response: new Response("x") }, "cannot send a Response at .response"],
    [new WeakMap(), "cannot send a WeakMap"],
    [{ view: new DataView(new ArrayBuffer(1)) }, "cannot send a DataView at .view"],
    [new Map([["k", { f() {} }]]), "cannot send a function at .k.f"],
    [1n << 70_000n, "cannot send a bigint of 8751 bytes (at most 8192)"],
  ])("%#", (value, message) => {
    for (const options of [{}, { rich: true }]) expect(refusal(() => encodePayload(value, options)).message).toBe(message);
  });

  it("a circular reference", () => {
    const node: Record<string, unknown> = { name: "root" };
    node.children = [{ parent: node }];
    const error = refusal(() => encodePayload({ tree: node }));
    expect(error.message).toBe("cannot send a circular reference at .tree.children[0].parent");
    expect(error.path).toBe(".tree.children[0].parent");
  });

  it("nesting without end", () => {
    let value: unknown = 1;
    for (let i = 0; i <= MAX_DEPTH; i++) value = [value];
    expect(refusal(() => encodePayload(value)).message).toContain("nested more than 256 deep");
  });

  it("but the same object twice is no circle", () => {
    const shared = { x: 1 };
    expect(plain({ a: shared, b: [shared, shared] })).toStrictEqual({ a: shared, b: [shared, shared] });
  });
});

describe("bytes from anyone", () => {
  it("give a value or a SerializationError, never anything else", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        try {
          decodePayload(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(SerializationError);
        }
      }),
      { numRuns: 20_000 },
    );
  });

  it("that were a payload before a byte changed do, too", () => {
    fc.assert(
      fc.property(anyValue, fc.nat(), fc.nat(255), (value, position, byte) => {
        const bytes = encodePayload(value, { rich: true });
        bytes[position % bytes.length] = byte;
        try {
          decodePayload(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(SerializationError);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it("that end early are refused at every length", () => {
    const bytes = encodePayload({ a: [1, "text that is long enough", new Date(), 2n ** 70n], b: new Uint8Array(30) }, { rich: true });
    for (let end = 0; end < bytes.length; end++) expect(refusal(() => decodePayload(bytes.subarray(0, end))).code).toBe("invalid_argument");
  });

  it.each([
    ["an array of 2^32 items", "9affffffff"],
    ["an array of 2^63 items", "9b7fffffffffffffff"],
    ["a map of 2^32 items", "baffffffff"],
    ["a string of 2^31 bytes", "7a7fffffff61"],
    ["bytes after the value", "0000"],
    ["a key twice", "a2616101616102"],
    ["a number key twice", "a201010102"],
    ["a reserved length", "1c"],
    ["an end mark alone", "ff"],
    ["an unknown simple value", "e0"],
    ["a chunk of another kind", "5f6161ff"],
    ["invalid UTF-8", "62c328"],
    ["half a typed array", "d84543010203"],
    ["an invalid date", "c06161"],
    ["a date that is a map", "c1a0"],
    ["a decimal with a huge exponent", "c4821b0000000ffffffff001"],
    ["a shared reference", "d81d00"],
    ["a regular expression that does not compile", "d8236128"],
    ["nothing", ""],
  ])("with %s are refused", (_what, bytes) => {
    expect(refusal(() => decodePayload(Buffer.from(bytes, "hex"))).message).toMatch(/^bad payload: .+ at byte \d+$/);
  });

  it("nested a million deep are refused", () => {
    expect(refusal(() => decodePayload(Buffer.alloc(1_000_000, 0x81))).message).toContain("nested more than 512 deep");
    expect(refusal(() => decodePayload(Buffer.alloc(1_000_000, 0xc6))).message).toContain("nested more than 512 deep");
  });

  it("with an integer of a megabyte are refused", () => {
    const size = MAX_BIGNUM_BYTES + 1;
    const bytes = Buffer.concat([Buffer.from("c259", "hex"), Buffer.from([size >> 8, size & 255]), Buffer.alloc(size, 0xff)]);
    expect(refusal(() => decodePayload(bytes)).message).toContain("a big integer has 8193 bytes");
  });

  it("with more items than allowed are refused", () => {
    const bytes = encodePayload(Array.from({ length: 50 }, () => [1, 2]));
    expect(refusal(() => decodePayload(bytes, { maxItems: 100 })).message).toContain("more than 100 items");
  });

  it("do not change when what was read from them does", () => {
    const bytes = encodePayload(Uint8Array.of(1, 2, 3));
    (decodePayload(bytes) as Uint8Array).fill(9);
    expect(decodePayload(bytes)).toStrictEqual(Uint8Array.of(1, 2, 3));
  });
});
