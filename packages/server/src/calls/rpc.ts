// Wire ↔ calls, for clients and for nested calls from containers.
import {
  type DataChunk,
  FunctionCallInvocationType,
  FunctionCallType,
  type FunctionGetOutputsItem,
  type FunctionGetOutputsRequest,
  type FunctionMapRequest,
  type FunctionPutInputsItem,
  GenericResult_GenericStatus as Status,
  type Handlers,
  type CallContext,
  LydianError,
  type ModalClient,
} from "@lydian/protocol";
import type { FunctionRecord } from "../functions/functions.ts";
import type { Caller } from "../identity/caller.ts";
import type { Calls, NewCall, NewInput } from "./calls.ts";
import { inputId } from "./input-id.ts";
import { cursorPlace, type LiveCall } from "./live-call.ts";
import { RecentRequests } from "./recent-requests.ts";

export interface CallsRpcDependencies {
  readonly calls: Calls;
  /** The function, or NOT_FOUND; FAILED_PRECONDITION when its app has stopped. */
  readonly requireFunction: (functionId: string, caller: Caller) => FunctionRecord;
  readonly now?: () => number;
}

/** Inputs of one map that a client may have under way. */
const MAX_OUTSTANDING = 2_000;
const MAX_WAIT_SECONDS = 55;
const MAX_PAGE_BYTES = 48 << 20;
const MAX_PAGE_ITEMS = 2_000;
const MAX_IDX = 2 ** 31 - 1;
/** A generator whose reader does not come for this long is told to try later. */
const READER_BOUND_MS = 30_000;

type ModalHandlers = Partial<Handlers<typeof ModalClient, Caller>>;

export interface CallsRpc {
  readonly modal: ModalHandlers;
  /** lydian.v1 FunctionMapMany. */
  mapMany(requests: readonly FunctionMapRequest[], context: CallContext<Caller>): Promise<{ calls: MapResponse[] }>;
}

interface MapResponse {
  functionCallId: string;
  pipelinedInputs: { idx: number; inputId: string; inputJwt: string }[];
  retryPolicy?: FunctionRecord["definition"]["retryPolicy"] & object;
  functionCallJwt: string;
  syncClientRetriesEnabled: boolean;
  maxInputsOutstanding: number;
}

export function createCallsRpc({ calls, requireFunction, now = Date.now }: CallsRpcDependencies): CallsRpc {
  const recent = new RecentRequests<MapResponse[]>(now);

  const requireCall = (callId: string, caller: Caller): LiveCall => {
    const call = calls.find(callId);
    const allowed = call && call.identity.workspaceId === caller.workspaceId;
    if (!allowed) {
      throw new LydianError("not_found", `There is no call ${JSON.stringify(callId)}, or it is older than seven days.`);
    }
    return call;
  };

  const add = async (requests: readonly FunctionMapRequest[], caller: Caller, key: string): Promise<MapResponse[]> => {
    const records = requests.map((request) => requireFunction(request.functionId, caller));
    const made = await calls.add(requests.map((request, i) => newCall(request, records[i] as FunctionRecord, key)));
    return made.map((call, i) => {
      const policy = records[i]?.definition.retryPolicy;
      return {
        functionCallId: call.id,
        pipelinedInputs: (requests[i]?.pipelinedInputs ?? []).map(({ idx }) => received(call.id, idx)),
        ...(policy ? { retryPolicy: policy } : {}),
        functionCallJwt: call.id,
        syncClientRetriesEnabled: false,
        maxInputsOutstanding: MAX_OUTSTANDING,
      };
    });
  };

  const addOnce = (requests: readonly FunctionMapRequest[], { caller, headers }: CallContext<Caller>): Promise<MapResponse[]> => {
    const key = headers["x-idempotency-key"] ?? "";
    const scoped = key === "" ? "" : `${caller.workspaceId}/${key}`;
    return recent.once(scoped, async () => {
      // After a restart the journal knows what this process does not.
      const repeated = key !== "" && Number(headers["x-retry-attempt"] ?? 0) > 0 ? calls.byIdempotencyKey(key, caller.workspaceId) : [];
      if (repeated.length === requests.length && repeated.length > 0) {
        return repeated.map((call, i) => ({
          functionCallId: call.id,
          pipelinedInputs: (requests[i]?.pipelinedInputs ?? []).map(({ idx }) => received(call.id, idx)),
          functionCallJwt: call.id,
          syncClientRetriesEnabled: false,
          maxInputsOutstanding: MAX_OUTSTANDING,
        }));
      }
      return add(requests, caller, key);
    });
  };

  const modal: ModalHandlers = {
    async functionMap(request, context) {
      const [response] = await addOnce([request], context);
      if (!response) throw new LydianError("internal", "The call was not made.");
      return response;
    },

    async functionPutInputs({ functionCallId, inputs }, { caller }) {
      const call = requireCall(functionCallId, caller);
      await calls.addInputs(call, inputs.map(newInput));
      return { inputs: inputs.map(({ idx }) => received(call.id, idx)) };
    },

    functionFinishInputs({ functionCallId }, { caller }) {
      requireCall(functionCallId, caller);
      return {};
    },

    async functionGetOutputs(request, { caller, signal, draining }) {
      const call = requireCall(request.functionCallId, caller);
      const until = now() + Math.min(Math.max(0, request.timeout), MAX_WAIT_SECONDS) * 1_000;
      for (;;) {
        const page = pageOf(call, request);
        const restMs = until - now();
        if (page.outputs.length > 0 || restMs <= 0 || signal.aborted || draining.aborted) return page;
        await call.changed.wait(restMs, signal, draining);
      }
    },

    async functionCallCancel({ functionCallId, terminateContainers }, { caller }) {
      const call = requireCall(functionCallId, caller);
      await calls.cancel(call, "The call was cancelled.", terminateContainers);
      return {};
    },

    functionCallFromId({ functionCallId }, { caller }) {
      const { identity, size } = requireCall(functionCallId, caller);
      return { functionCallId, numInputs: size, metadata: { appId: identity.appId, functionId: identity.functionId } };
    },

    functionCallGetInfo({ functionCallId }, { caller }) {
      return { info: infoOf(requireCall(functionCallId, caller)) };
    },

    async *functionCallGetDataOut(request, { caller, signal, draining }) {
      const callId = request.callInfo.case === "functionCallId" ? request.callInfo.value : "";
      const call = requireCall(callId, caller);
      const until = now() + MAX_WAIT_SECONDS * 1_000;
      let last = Number(request.lastIndex);
      for (;;) {
        for (const chunk of call.data.after(last)) {
          last = Number(chunk.index);
          yield chunk;
        }
        const restMs = until - now();
        const over = call.open.size === 0 && last >= call.data.last;
        if (over || restMs <= 0 || signal.aborted || draining.aborted) return;
        await Promise.race([call.data.arrived.wait(restMs, signal, draining), call.changed.wait(restMs, signal, draining)]);
      }
    },

    async functionCallPutDataOut(request, { caller, signal }) {
      const callId = request.callInfo.case === "functionCallId" ? request.callInfo.value : "";
      const call = requireCall(callId, caller);
      if (caller.kind === "container" && call.identity.functionId !== caller.functionId) {
        throw new LydianError("permission_denied", "A container may only yield values of its own function.");
      }
      if (call.data.isFull) await call.data.read.wait(READER_BOUND_MS, signal);
      if (call.data.isFull) {
        throw new LydianError("resource_exhausted", "The reader of this generator is too far behind.", { retryAfterMs: 1_000 });
      }
      await calls.addChunks(call, request.dataChunks.filter(isNew(call)));
      return {};
    },
  };
  return { modal, mapMany: async (requests, context) => ({ calls: await addOnce(requests, context) }) };
}

const isNew = (call: LiveCall) => (chunk: DataChunk) => Number(chunk.index) > call.data.last;
const received = (callId: string, idx: number) => ({ idx, inputId: inputId(callId, idx), inputJwt: `${callId}/${idx}` });

function newInput({ idx, input }: FunctionPutInputsItem): NewInput {
  if (!input) throw new LydianError("invalid_argument", `Input ${idx} has no \`input\`.`);
  if (!Number.isInteger(idx) || idx < 0 || idx > MAX_IDX) throw new LydianError("invalid_argument", `${idx} is not an index of an input.`);
  return { idx, input };
}

function newCall(request: FunctionMapRequest, record: FunctionRecord, idempotencyKey: string): NewCall {
  return {
    workspaceId: record.workspaceId,
    appId: record.appId,
    functionId: record.id,
    type: request.functionCallType || FunctionCallType.UNARY,
    invocation: request.functionCallInvocationType || FunctionCallInvocationType.SYNC_LEGACY,
    parentInputId: request.parentInputId,
    idempotencyKey,
    inputs: request.pipelinedInputs.map(newInput),
  };
}

function pageOf(call: LiveCall, request: FunctionGetOutputsRequest) {
  const limit = Math.min(request.maxValues || MAX_PAGE_ITEMS, MAX_PAGE_ITEMS);
  const outputs: FunctionGetOutputsItem[] = [];
  let bytes = 0;
  const fits = (output: FunctionGetOutputsItem): boolean => {
    const data = output.result?.dataOneof;
    bytes += 256 + (data?.case === "data" ? data.value.length : 0);
    return outputs.length === 0 || (bytes <= MAX_PAGE_BYTES && outputs.length < limit);
  };
  let place = cursorPlace(request.lastEntryId);
  if (request.startIdx !== undefined || request.endIdx !== undefined) {
    const start = request.startIdx ?? 0;
    const end = Math.min(request.endIdx ?? MAX_IDX, start + limit - 1);
    for (let idx = start; idx <= end; idx++) {
      const seq = call.byIdx.get(idx);
      const output = seq === undefined ? undefined : call.outputs[seq];
      if (output && !fits(output)) break;
      if (output) outputs.push(output);
    }
  } else {
    for (; place < call.outputs.length; place++) {
      const output = call.outputs[place] as FunctionGetOutputsItem;
      if (!fits(output)) break;
      outputs.push(output);
    }
  }
  return { outputs, idxs: outputs.map(({ idx }) => idx), lastEntryId: `${place}-0`, numUnfinishedInputs: call.open.size };
}

function infoOf(call: LiveCall) {
  const totals = { succeeded: 0, failed: 0, timeout: 0, cancelled: 0 };
  for (const { result } of call.outputs) {
    if (result?.status === Status.SUCCESS) totals.succeeded++;
    else if (result?.status === Status.TIMEOUT) totals.timeout++;
    else if (result?.status === Status.TERMINATED) totals.cancelled++;
    else totals.failed++;
  }
  return {
    functionCallId: call.id,
    createdAt: call.identity.createdAt / 1000,
    pendingInputs: { total: call.open.size },
    succeededInputs: { total: totals.succeeded },
    failedInputs: { total: totals.failed },
    timeoutInputs: { total: totals.timeout },
    cancelledInputs: { total: totals.cancelled },
    totalInputs: call.size,
  };
}

