// Outputs that the server makes itself: what a person reads when no code answered.
import { create, DataFormat, type FunctionGetOutputsItem, FunctionGetOutputsItemSchema, GenericResult_GenericStatus as Status } from "@lydian/protocol";
import { inputId } from "./input-id.ts";
import type { LiveInput } from "./live-call.ts";

export type FailureStatus = Exclude<Status, typeof Status.UNSPECIFIED | typeof Status.SUCCESS>;

export interface Failure {
  readonly status: FailureStatus;
  /** A sentence. */
  readonly text: string;
  readonly traceback?: string;
  /** A payload that the caller can revive, with its format. */
  readonly data?: Uint8Array;
  readonly dataFormat?: DataFormat;
}

export function failureOutput(input: LiveInput, failure: Failure, now: number): FunctionGetOutputsItem {
  return create(FunctionGetOutputsItemSchema, {
    idx: input.idx,
    inputId: inputId(input.call.id, input.idx),
    taskId: input.taskId,
    inputStartedAt: input.startedAt / 1000,
    outputCreatedAt: now / 1000,
    dataFormat: failure.dataFormat ?? DataFormat.UNSPECIFIED,
    result: {
      status: failure.status,
      exception: failure.text,
      traceback: failure.traceback ?? "",
      ...(failure.data ? { dataOneof: { case: "data" as const, value: failure.data } } : {}),
    },
  });
}

export const cancelled = (reason: string): Failure => ({ status: Status.TERMINATED, text: reason });

export const timedOut = (limitMs: number): Failure => ({
  status: Status.TIMEOUT,
  text: `The input ran longer than its timeout of ${limitMs / 1000} s. Raise the function's \`timeout\`, or make the work shorter.`,
});
