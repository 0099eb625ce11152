import { SerializationError } from "./serialization-error.ts";

export interface EncodeOptions {
  /** Between two Lydian programs (DataFormat CBOR_TS): keeps undefined, -0, small bigints and string-keyed Maps apart. Default false. */
  readonly rich?: boolean;
}

export interface DecodeLimits {
  /** Nesting. Default 200. */
  readonly maxDepth?: number;
  /** Items over the whole payload. Default 10,000,000. */
  readonly maxItems?: number;
}

/** CBOR bytes of a value. Throws SerializationError with the path of what cannot be sent. */
export function encodePayload(_value: unknown, _options?: EncodeOptions): Uint8Array<ArrayBuffer> {
  throw new SerializationError("the codec is being written");
}

/** The value in CBOR bytes, plain or rich. Throws SerializationError for anything malformed or over a limit. */
export function decodePayload(_bytes: Uint8Array, _limits?: DecodeLimits): unknown {
  throw new SerializationError("the codec is being written");
}
