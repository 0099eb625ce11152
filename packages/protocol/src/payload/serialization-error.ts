import { LydianError } from "../errors.ts";

/** A value that cannot be sent, or bytes that are no payload. */
export class SerializationError extends LydianError {
  /** Where in the value, e.g. ".user.tags[3]"; empty at its top and for bad bytes. */
  readonly path: string;

  constructor(message: string, options: { path?: string; hint?: string; cause?: unknown } = {}) {
    const { path = "", ...rest } = options;
    super("invalid_argument", message, rest);
    this.path = path;
  }
}
Object.defineProperty(SerializationError.prototype, "name", { value: "SerializationError", writable: true, configurable: true });
