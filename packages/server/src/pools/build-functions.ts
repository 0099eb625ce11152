// Functions that make a layer of an image: each is called once, in a container whose files are kept.
import { type Container, type ContainerHost, ImageError, type OnBuildLog } from "@lydian/containers";
import {
  create,
  FunctionCallInvocationType,
  FunctionInputSchema,
  fromBinary,
  LydianError,
  GenericResult_GenericStatus as Status,
} from "@lydian/protocol";
import type { Call, Output } from "../calls/call.ts";
import type { Calls } from "../calls/calls.ts";
import type { FunctionsPort } from "../calls/functions-port.ts";
import { noArguments } from "../calls/no-arguments.ts";
import type { StoredBuildFunction } from "../images/recipe.ts";
import type { Pools } from "./pools.ts";

export interface BuildFunctionsOptions {
  readonly calls: Calls;
  readonly pools: Pools;
  readonly functions: FunctionsPort;
  readonly host: Pick<ContainerHost, "commit">;
}

const POLL_MS = 60_000;

export class BuildFunctions {
  readonly #options: BuildFunctionsOptions;

  constructor(options: BuildFunctionsOptions) {
    this.#options = options;
  }

  /** Throws ImageError "step_failed" with what the function threw. */
  async run(fn: StoredBuildFunction, target: string, { signal, onLog }: { signal: AbortSignal; onLog: OnBuildLog }): Promise<void> {
    const { pools } = this.#options;
    const call = await this.#open(fn);
    const done = this.#output(call, signal);
    let keep: Promise<void> | undefined;
    let kept: () => void = () => {};
    const filesKept = new Promise<void>((resolve) => {
      kept = resolve;
    });
    const onFiles = async (taskId: string, running: Container): Promise<void> => {
      // Of a container that was lost nothing is kept: the function runs again in another.
      const output = await done.catch(() => undefined);
      if (output?.taskId !== taskId || output.status !== Status.SUCCESS) return;
      keep = this.#options.host.commit(running, target);
      await keep.catch(() => undefined).finally(kept);
    };
    const onLines = (lines: readonly { fd: 1 | 2; text: string }[]): void => {
      for (const { fd, text } of lines) onLog({ stream: fd === 1 ? "stdout" : "stderr", text: text.replace(/\r?\n$/, "") });
    };
    await pools.buildWith(fn.id, { onLines, onFiles }, async () => {
      const { status, result } = await done;
      if (status !== Status.SUCCESS)
        throw new ImageError("step_failed", `The image's function failed: ${result?.exception || "it gave no reason"}`);
      await filesKept;
    });
    await keep;
  }

  async #open({ id, input }: StoredBuildFunction): Promise<Call> {
    const { calls, functions } = this.#options;
    const fn = functions.get(id);
    if (fn === undefined) throw new LydianError("failed_precondition", `The image's function ${id} is no more.`);
    const payload = input === "" ? noArguments(fn.definition) : fromBinary(FunctionInputSchema, Buffer.from(input, "base64"));
    const invocation = FunctionCallInvocationType.ASYNC;
    const inputs = [{ idx: 0, payload: create(FunctionInputSchema, payload) }];
    const [call] = await calls.open([{ fn, kind: "unary", invocation, parentInputId: "", inputs }], undefined, false);
    if (call === undefined) throw new LydianError("internal", "The image's function was not called.");
    return call;
  }

  async #output(call: Call, signal: AbortSignal): Promise<Output> {
    const { calls } = this.#options;
    const cancel = () => void calls.cancel(call, "The image build was cancelled.", true).catch(() => undefined);
    signal.addEventListener("abort", cancel, { once: true });
    try {
      for (;;) {
        const { outputs } = await calls.polls.next(call, { after: 0, range: undefined, maxCount: 1, timeoutMs: POLL_MS });
        const [output] = outputs;
        if (output !== undefined) return output;
        // The server is stopping: the build is about to be ended, and goes on in the next process.
        if (calls.isDraining) await aborted(signal);
        signal.throwIfAborted();
      }
    } finally {
      signal.removeEventListener("abort", cancel);
    }
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}
