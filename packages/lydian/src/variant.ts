// Functions with other options, and instances of classes: what is different about them.
import type { ClassParameter } from "@lydian/protocol/core";
import { InvalidError } from "./errors.ts";
import { type FunctionOptions, resolveOptions } from "./options.ts";

const VARIANT_OPTIONS = [
  "cpu",
  "memory",
  "ephemeralDisk",
  "timeout",
  "retries",
  "concurrent",
  "batched",
  "minContainers",
  "maxContainers",
  "bufferContainers",
  "scaledownWindow",
] as const satisfies (keyof FunctionOptions)[];

/** What one handle may have otherwise than its function; the rest is the function's. */
export type VariantOptions = Pick<FunctionOptions, (typeof VARIANT_OPTIONS)[number]>;

export interface ParameterValue extends Pick<ClassParameter, "name" | "type"> {
  readonly value: string | number | bigint | boolean | Uint8Array;
}

/** Each has containers of its own. */
export interface Variant {
  /** Of a class that declares its parameters. */
  readonly parameters?: readonly ParameterValue[];
  /** Of a class that does not. */
  readonly args?: readonly unknown[];
  /** Of a deployed class: what its constructor was given, until it is known which of the two that is. */
  readonly given?: readonly unknown[];
  readonly options?: VariantOptions;
}

/** The options with others on top. Throws InvalidError for what a variant cannot have. */
export function mergeOptions(own: VariantOptions | undefined, more: VariantOptions, isBatched: boolean): VariantOptions {
  for (const name of Object.keys(more)) {
    if (!(VARIANT_OPTIONS as readonly string[]).includes(name))
      throw new InvalidError(`\`${name}\` is no option of withOptions; it has: ${VARIANT_OPTIONS.join(", ")}.`);
  }
  if (more.batched !== undefined && !isBatched) {
    throw new InvalidError("`batched` changes how a batched function gathers its inputs, and this one takes them one by one.", {
      hint: "Define it with the option `batched`, and a handler that takes and returns lists.",
    });
  }
  const merged = { ...own, ...more };
  resolveOptions(merged);
  return merged;
}
