// Typed arrays as RFC 8746 has them: a tag that names element type and byte order, around the bytes.

interface ArrayClass {
  new (buffer: ArrayBuffer): ArrayBufferView;
  readonly BYTES_PER_ELEMENT: number;
}

// Every host of Node is little-endian.
const LITTLE_ENDIAN: readonly (readonly [number, ArrayClass])[] = [
  [68, Uint8ClampedArray],
  [69, Uint16Array],
  [70, Uint32Array],
  [71, BigUint64Array],
  [72, Int8Array],
  [77, Int16Array],
  [78, Int32Array],
  [79, BigInt64Array],
  [85, Float32Array],
  [86, Float64Array],
];
const BIG_ENDIAN: readonly (readonly [number, ArrayClass])[] = [
  [64, Uint8Array],
  [65, Uint16Array],
  [66, Uint32Array],
  [67, BigUint64Array],
  [73, Int16Array],
  [74, Int32Array],
  [75, BigInt64Array],
  [81, Float32Array],
  [82, Float64Array],
];

const TAG_OF = new Map<unknown, number>(LITTLE_ENDIAN.map(([tag, arrayClass]) => [arrayClass, tag]));
const READERS = new Map<number, { readonly arrayClass: ArrayClass; readonly swap: boolean }>([
  ...LITTLE_ENDIAN.map(([tag, arrayClass]) => [tag, { arrayClass, swap: false }] as const),
  ...BIG_ENDIAN.map(([tag, arrayClass]) => [tag, { arrayClass, swap: true }] as const),
]);

/** Undefined for views that have no tag (DataView). */
export function tagOfArray(view: ArrayBufferView): number | undefined {
  return TAG_OF.get(view.constructor);
}

export function isArrayTag(tag: number): boolean {
  return READERS.has(tag);
}

/** The array, or undefined when the bytes are no whole number of elements. Takes the bytes over. */
export function readArray(tag: number, bytes: Uint8Array<ArrayBuffer>): ArrayBufferView | undefined {
  const reader = READERS.get(tag);
  if (reader === undefined || bytes.byteLength % reader.arrayClass.BYTES_PER_ELEMENT !== 0) return undefined;
  if (reader.swap) swapBytes(bytes, reader.arrayClass.BYTES_PER_ELEMENT);
  return new reader.arrayClass(bytes.buffer);
}

function swapBytes(bytes: Uint8Array, size: number): void {
  for (let start = 0; start < bytes.byteLength; start += size) bytes.subarray(start, start + size).reverse();
}
