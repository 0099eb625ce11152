// Arguments and results as bytes.
import { Decoder } from "./decoder.ts";
import { Encoder } from "./encoder.ts";
import { MAX_DECODED_DEPTH, MAX_ITEMS } from "./limits.ts";
import { SerializationError } from "./serialization-error.ts";

export interface EncodeOptions {
  /**
   * The reader is a Lydian program (DataFormat CBOR_TS): undefined, -0, small bigints, string-keyed Maps, ArrayBuffers and the flags of
   * regular expressions stay what they are. Otherwise (DataFormat CBOR) they become null, 0, integers, maps and bytes. Default false.
   */
  readonly rich?: boolean | undefined;
}

export interface DecodeLimits {
  /** Nesting. Default 512. */
  readonly maxDepth?: number | undefined;
  /** Items over the whole payload. Default 20,000,000. */
  readonly maxItems?: number | undefined;
}

/**
 * CBOR bytes of a value. Throws SerializationError, with the path, for what cannot be sent.
 *
 * @example
 * encodePayload([[1, new Date()], {}], { rich: true });
 */
export function encodePayload(value: unknown, options: EncodeOptions = {}): Uint8Array<ArrayBuffer> {
  return new Encoder(options.rich ?? false).encode(value);
}

/** The value in CBOR bytes of either kind. Throws SerializationError for anything malformed or over a limit. */
export function decodePayload(bytes: Uint8Array, limits: DecodeLimits = {}): unknown {
  const { maxDepth = MAX_DECODED_DEPTH, maxItems = MAX_ITEMS } = limits;
  try {
    return new Decoder(bytes, { maxDepth, maxItems }).decode();
  } catch (cause) {
    if (cause instanceof SerializationError) throw cause;
    throw new SerializationError(`bad payload: ${(cause as Error).message}`, { cause });
  }
}
