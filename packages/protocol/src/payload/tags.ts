// CBOR tags in use, all from the IANA registry, so that other decoders know them or show them as what they are.
export const TAG = {
  dateText: 0,
  epochSeconds: 1,
  positiveBignum: 2,
  negativeBignum: 3,
  decimal: 4,
  /** [name, ...parts]: Error, RegExp with flags, ArrayBuffer. */
  object: 27,
  sharedReference: 29,
  uri: 32,
  regexp: 35,
  uuid: 37,
  daysSinceEpoch: 100,
  set: 258,
  map: 259,
  dateOnly: 1004,
  selfDescribed: 55799,
} as const;

/** A tagged item that has no JavaScript equivalent. Sent back as it came. */
export class Tagged {
  readonly tag: number;
  readonly value: unknown;
  constructor(tag: number, value: unknown) {
    this.tag = tag;
    this.value = value;
  }
}
