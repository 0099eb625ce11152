// Waiting for outputs, without end: each request is held by the server until there is something to tell.
import { type FunctionGetOutputsItem, resultsOf } from "@lydian/protocol";
import { currentClient } from "../client.ts";

/** What the server holds at most. */
export const HOLD_SECONDS = 50;

export interface OutputsQuery {
  readonly functionCallId: string;
  /** Place after which to read; "0-0" is the start. */
  readonly lastEntryId?: string;
  /** Only this input. */
  readonly idx?: number;
  readonly isLast?: boolean;
}

export interface OutputsPage {
  readonly outputs: FunctionGetOutputsItem[];
  readonly lastEntryId: string;
  readonly unfinished: number;
}

/** One request. `waitMs` 0 asks for what is there now. */
export async function readOutputs(query: OutputsQuery, waitMs: number, signal?: AbortSignal): Promise<OutputsPage> {
  const { modal, bulk } = currentClient();
  const timeout = Math.min(waitMs / 1000, HOLD_SECONDS);
  const request = {
    functionCallId: query.functionCallId,
    timeout,
    lastEntryId: query.lastEntryId ?? "0-0",
    clearOnSuccess: query.isLast ?? false,
    requestedAt: Date.now() / 1000,
  };
  const options = { timeoutMs: timeout * 1000 + 10_000, ...(signal ? { signal } : {}) };
  if (query.idx === undefined) {
    const page = await bulk.functionGetOutputs(request, options);
    return { outputs: resultsOf(page), lastEntryId: page.lastEntryId, unfinished: page.numUnfinishedInputs };
  }
  const page = await modal.functionGetOutputs({ ...request, startIdx: query.idx, endIdx: query.idx }, options);
  return { outputs: page.outputs, lastEntryId: page.lastEntryId, unfinished: page.numUnfinishedInputs };
}
