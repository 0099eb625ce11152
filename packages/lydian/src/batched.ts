// Handlers that work on several inputs at once: callers send one each, the handler gets lists.
import { type Duration, durationMs } from "./duration.ts";
import { InvalidError } from "./errors.ts";
import type { AnyFunction } from "./function-types.ts";
import { showValue } from "./show-value.ts";

export interface BatchedOptions {
  /** Inputs that the handler is given at once, at most; 1 to 1000. */
  readonly maxBatchSize: number;
  /** How long the first of them waits for others; at most 10 minutes. */
  readonly wait: Duration;
}

export interface ResolvedBatch {
  readonly maxSize: number;
  readonly waitMs: number;
}

const MAX_SIZE = 1_000;
const MAX_WAIT_MS = 600_000;

/** Throws InvalidError that names the value and the rule. */
export function resolveBatch(options: BatchedOptions | undefined): ResolvedBatch | undefined {
  if (options === undefined) return undefined;
  const isRecord = typeof options === "object" && options !== null;
  if (!isRecord || Object.keys(options).some((key) => key !== "maxBatchSize" && key !== "wait"))
    throw new InvalidError(`\`batched\` is ${showValue(options)}; it must be { maxBatchSize: …, wait: … } and nothing more.`);
  const { maxBatchSize, wait } = options;
  if (!Number.isInteger(maxBatchSize) || maxBatchSize < 1 || maxBatchSize > MAX_SIZE)
    throw new InvalidError(`\`batched.maxBatchSize\` is ${showValue(maxBatchSize)}; it must be a whole number from 1 to ${MAX_SIZE}.`);
  const waitMs = Math.ceil(durationMs(wait, "`batched.wait`"));
  if (waitMs > MAX_WAIT_MS) throw new InvalidError(`\`batched.wait\` is ${showValue(wait)}; it must be at most 10 minutes.`);
  return { maxSize: maxBatchSize, waitMs };
}

/** The handler as it is called in this process: with lists, and held to the rule that containers hold it to. */
export function checkedBatch(handler: AnyFunction): AnyFunction {
  return (...lists: unknown[]) => {
    const size = lists.find((list) => Array.isArray(list))?.length as number | undefined;
    if (size === undefined || lists.some((list) => !Array.isArray(list) || list.length !== size))
      throw new InvalidError("A batched function is called here with a list for each parameter, all of one length.");
    const check = (results: unknown) => {
      if (Array.isArray(results) && results.length === size) return results;
      const got = Array.isArray(results) ? `an array of ${results.length}` : showValue(results);
      throw new InvalidError(`The batched handler was given ${size} inputs and returned ${got}; it must return one result for each.`);
    };
    const returned: unknown = handler(...lists);
    return returned instanceof Promise ? returned.then(check) : check(returned);
  };
}
