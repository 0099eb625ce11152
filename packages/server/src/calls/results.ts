// The results that the server makes itself: each says what happened, which limit it was, and what can be done.
import { GenericResult_GenericStatus as Status } from "@lydian/protocol";
import type { ResultInit } from "./call.ts";

export function timeoutResult(timeoutMs: number): ResultInit {
  return {
    status: Status.TIMEOUT,
    exception: `The input ran longer than the timeout of ${timeoutMs / 1000} s of its function. Raise the function's \`timeout\` if it needs more.`,
  };
}

export function terminatedResult(reason: string): ResultInit {
  return { status: Status.TERMINATED, exception: reason };
}

/** Its container ended under it too often, or after it had yielded. */
export function lostResult(reason: string, losses: number): ResultInit {
  const times = losses > 1 ? ` This was container ${losses} that ended while it ran this input.` : "";
  return { status: Status.FAILURE, exception: `${reason}${times}` };
}
