import { LydianError } from "../errors.ts";

/** A value that cannot be sent, or bytes that are no payload. `path` says where, e.g. ".user.tags[3]". */
export class SerializationError extends LydianError {
  readonly path: string;
  constructor(message: string, path = "", options: { hint?: string; cause?: unknown } = {}) {
    super("invalid_argument", message, options);
    this.path = path;
  }
}
Object.defineProperty(SerializationError.prototype, "name", { value: "SerializationError", writable: true, configurable: true });
