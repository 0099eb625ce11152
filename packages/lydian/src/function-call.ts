import type { Duration } from "./duration.ts";
import { durationMs } from "./duration.ts";
import { InvalidError } from "./errors.ts";

export type CallStatus = "pending" | "success" | "failure" | "terminated" | "timeout";

export interface GetOptions {
  /** How long to wait; then TimeoutError, and the call goes on. Default: no bound. */
  readonly timeout?: Duration;
  readonly signal?: AbortSignal;
}

/**
 * A call that was made and may be waited for, from here or from another process by its id. Results can be read for seven days.
 * Deliberately not a promise: `await f.spawn()` gives the call, not its result.
 *
 * @example
 * const call = await render.spawn(scene);
 * const image = await call.get({ timeout: "10m" });
 */
export class FunctionCall<R = unknown> {
  readonly id: string;

  constructor(id: string) {
    this.id = id;
  }

  /** Throws InvalidError when this is no id of a call. Asks the server for nothing. */
  static fromId<R = unknown>(id: string): FunctionCall<R> {
    if (!/^fc-[0-9A-Za-z]{22}$/.test(id))
      throw new InvalidError(`${JSON.stringify(id)} is not an id of a call: "fc-" and 22 letters or digits are expected.`);
    return new FunctionCall<R>(id);
  }

  /** The results of several calls, in order. */
  static gather<T extends readonly FunctionCall<unknown>[]>(
    ...calls: T
  ): Promise<{ -readonly [K in keyof T]: T[K] extends FunctionCall<infer R> ? R : never }> {
    return Promise.all(calls.map((call) => call.get())) as never;
  }

  /** Waits for the result; throws what the function threw. */
  async get({ timeout, signal }: GetOptions = {}): Promise<R> {
    const { callResult } = await network();
    return (await callResult(this.id, { timeoutMs: timeout === undefined ? undefined : durationMs(timeout, "`timeout`"), signal })) as R;
  }

  /** Ends it, queued or running. `terminateContainers`: also ends the containers that work on it. */
  async cancel({ terminateContainers = false }: { readonly terminateContainers?: boolean } = {}): Promise<void> {
    await (await network()).cancelCall(this.id, terminateContainers);
  }

  async status(): Promise<CallStatus> {
    return (await network()).callStatus(this.id);
  }

  async numInputs(): Promise<number> {
    return (await network()).callInputs(this.id);
  }
}

const network = () => import("./calls/index.ts");
