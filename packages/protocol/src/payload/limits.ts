/** Nesting in a value that is sent. Bounds the stack, not any sensible data. */
export const MAX_DEPTH = 256;
/** Nesting in a payload that is read. Larger, because an error is deeper on the wire than in memory. */
export const MAX_DECODED_DEPTH = 512;
/** Nesting in a field of an error that is sent. */
export const MAX_FIELD_DEPTH = 32;
/** Bytes of one encoded value. Values that share objects can grow exponentially; this is where that ends. */
export const MAX_ENCODED_BYTES = 1024 * 1024 * 1024;
/** Items over a whole payload. */
export const MAX_ITEMS = 20_000_000;
/** Bytes of one integer outside 64 bits: 65,536 binary digits. */
export const MAX_BIGNUM_BYTES = 8192;
/** Digits that a decimal fraction may be padded with. */
export const MAX_DECIMAL_EXPONENT = 10_000;
/** Causes of causes of an error that are sent along. */
export const MAX_CAUSES = 16;
/** Errors inside one value. Beyond, an error is sent as its text. */
export const MAX_ERRORS = 256;
/** Members of an AggregateError that are sent along. */
export const MAX_AGGREGATED = 64;
