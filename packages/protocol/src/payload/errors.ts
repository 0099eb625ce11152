/** An error as plain data. */
export interface WireError {
  readonly name: string;
  readonly message: string;
  readonly stack?: string;
  readonly code?: string | number;
  readonly cause?: unknown;
  readonly errors?: readonly unknown[];
  /** Own enumerable fields that can be sent. */
  readonly fields?: Readonly<Record<string, unknown>>;
}

/** Makes errors with this name arrive as instances of the class. No constructor is run. */
export function registerError(_errorClass: new (...args: never[]) => Error, _name?: string): void {
  throw new Error("the codec is being written");
}

export function errorToWire(_error: unknown): WireError {
  throw new Error("the codec is being written");
}

export function errorFromWire(_wire: unknown): Error {
  throw new Error("the codec is being written");
}
