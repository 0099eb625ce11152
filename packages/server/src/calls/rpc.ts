// What clients ask about function calls, on the wire.
import {
  type Bulk,
  type DataFormat,
  FunctionCallType,
  type FunctionGetOutputsItemSchema,
  type FunctionGetOutputsRequest,
  type FunctionInput,
  type FunctionMapRequest,
  type FunctionMapResponseSchema,
  type FunctionPutInputsItem,
  type FunctionPutInputsResponseItemSchema,
  type Handlers,
  type Headers,
  inputId,
  inputsOf,
  LydianError,
  type MessageInitShape,
  type ModalClient,
  packCallIds,
  resultColumns,
} from "@lydian/protocol";
import type { Caller } from "../identity/caller.ts";
import type { Call, Output } from "./call.ts";
import type { Calls, NewCall, NewInput } from "./calls.ts";
import { DrainWatch } from "./drain-watch.ts";
import { type CalledFunction, type FunctionsPort, MAX_INLINE_BYTES, retryPolicyOf, slotsOf } from "./functions-port.ts";
import type { ChunkRow } from "./store.ts";

export interface CallsRpcDependencies {
  readonly calls: Calls;
  readonly functions: FunctionsPort;
  /** Throws `not_found` for a function that the caller may not call, `failed_precondition` when its app has stopped. */
  readonly requireFunction: (functionId: string, caller: Caller) => CalledFunction;
}

export interface CallsRpc {
  readonly modal: Partial<Handlers<typeof ModalClient, Caller>>;
  readonly bulk: Handlers<typeof Bulk, Caller>;
}

const MAX_POLL_SECONDS = 55;
const MAX_OUTPUTS = 5000;
/** Inputs a map client may have on the way: enough to keep every container busy, and a little more. */
const MIN_MAP_OUTSTANDING = 1000;
const MAX_MAP_OUTSTANDING = 20_000;
const DEFAULT_MAX_CONTAINERS = 100;
const MAX_CALLS_A_REQUEST = 10_000;

type MapResponse = Exclude<MessageInitShape<typeof FunctionMapResponseSchema>, { $typeName: string }>;
type OutputItem = MessageInitShape<typeof FunctionGetOutputsItemSchema>;
type PutItem = MessageInitShape<typeof FunctionPutInputsResponseItemSchema>;

export function createCallsRpc(dependencies: CallsRpcDependencies): CallsRpc {
  return { modal: modalHandlers(dependencies), bulk: bulkHandlers(dependencies) };
}

function modalHandlers(dependencies: CallsRpcDependencies): CallsRpc["modal"] {
  const { calls } = dependencies;
  const drains = new DrainWatch(() => calls.drain());
  return {
    async functionMap(request, { caller, headers, draining }) {
      drains.note(draining);
      const { key, repeated } = requestKey(caller, headers);
      const call = newCall(dependencies, request, caller);
      const [opened] = await calls.open([call], key, repeated);
      if (opened === undefined) throw new LydianError("internal", "The call was not made.");
      const response = mapResponse(opened, call);
      if (opened.kind !== "unary" || !(request.lydianWait > 0)) return response;
      const timeoutMs = Math.min(MAX_POLL_SECONDS, request.lydianWait) * 1000;
      const { outputs } = await calls.polls.next(opened, { after: 0, range: undefined, maxCount: 1, timeoutMs });
      return { ...response, lydianOutputs: outputs.map((output) => outputItem(opened, output)) };
    },

    async functionPutInputs(request, { caller }) {
      const call = calls.require(request.functionCallId, caller.workspaceId);
      const items = newInputs(request.inputs);
      await calls.put(call, items);
      return { inputs: items.map(({ idx }) => putItem(call, idx)) };
    },

    async functionFinishInputs(request, { caller }) {
      const call = calls.require(request.functionCallId, caller.workspaceId);
      if (call.size !== request.numInputs) {
        const message = `The call ${call.id} has ${call.size} inputs, and its client says it sent ${request.numInputs}.`;
        throw new LydianError("failed_precondition", message, { hint: "Send the missing inputs first." });
      }
      await calls.close(call);
      return {};
    },

    async functionGetOutputs(request, { caller, draining }) {
      drains.note(draining);
      const { call, outputs, lastEntryId, numUnfinishedInputs } = await nextOutputs(dependencies, request, caller);
      const idxs = outputs.map(({ idx }) => idx);
      return { outputs: outputs.map((output) => outputItem(call, output)), idxs, lastEntryId, numUnfinishedInputs };
    },

    async functionCallCancel(request, { caller }) {
      const call = calls.require(request.functionCallId, caller.workspaceId);
      await calls.cancel(call, "The call was cancelled.", request.terminateContainers);
      return {};
    },

    functionCallFromId(request, { caller }) {
      const call = calls.require(request.functionCallId, caller.workspaceId);
      const appId = dependencies.functions.get(call.functionId)?.appId ?? "";
      return { functionCallId: call.id, numInputs: call.size, metadata: { appId, functionId: call.functionId } };
    },

    functionCallGetInfo(request, { caller }) {
      const call = calls.require(request.functionCallId, caller.workspaceId);
      const { succeeded, failed, timedOut, cancelled } = call.counts;
      return {
        info: {
          functionCallId: call.id,
          createdAt: call.createdAt / 1000,
          scheduledAt: call.createdAt / 1000,
          pendingInputs: { total: call.unfinished },
          succeededInputs: { total: succeeded },
          failedInputs: { total: failed },
          timeoutInputs: { total: timedOut },
          cancelledInputs: { total: cancelled },
          totalInputs: call.size,
        },
      };
    },

    functionCallGetDataOut(request, { caller, signal, draining }) {
      drains.note(draining);
      const call = calls.require(callIdOf(request.callInfo), caller.workspaceId);
      return calls.generators.read(call, Number(request.lastIndex), MAX_POLL_SECONDS * 1000, signal);
    },

    async functionCallPutDataOut(request, { caller, signal, draining }) {
      drains.note(draining);
      const callId = callIdOf(request.callInfo);
      if (caller.kind !== "container")
        throw new LydianError("permission_denied", "Only the container that runs a generator may send its values.");
      const call = calls.callHeldBy(caller.taskId, callId);
      // The attempt was given up: what it still yields is of no interest, and no fault of the container.
      if (call === undefined) return {};
      await calls.generators.put(call, request.dataChunks.map(chunkRow), signal);
      return {};
    },
  };
}

function bulkHandlers(dependencies: CallsRpcDependencies): CallsRpc["bulk"] {
  const { calls, requireFunction } = dependencies;
  const drains = new DrainWatch(() => calls.drain());
  return {
    async functionMap({ functionId, invocation, parentInputId, inputs }, { caller, headers }) {
      const given = inputsOf(inputs);
      if (given.length > MAX_CALLS_A_REQUEST) {
        const message = `The request has ${given.length} calls; at most ${MAX_CALLS_A_REQUEST} are taken at once.`;
        throw new LydianError("invalid_argument", message);
      }
      const fn = requireFunction(functionId, caller);
      const { key, repeated } = requestKey(caller, headers);
      const news = given.map((input): NewCall => {
        const payload = withArguments(input, 0);
        return { fn, kind: "unary", invocation, parentInputId, inputs: [{ idx: 0, payload }] };
      });
      const opened = await calls.open(news, key, repeated);
      return { calls: packCallIds(opened.map(({ id }) => id)) };
    },

    async functionPutInputs({ functionCallId, firstIdx, inputs }, { caller }) {
      const call = calls.require(functionCallId, caller.workspaceId);
      await calls.put(
        call,
        inputsOf(inputs).map((input, i) => ({ idx: firstIdx + i, payload: withArguments(input, firstIdx + i) })),
      );
      return {};
    },

    async functionGetOutputs(request, { caller, draining }) {
      drains.note(draining);
      const { call, outputs, lastEntryId, numUnfinishedInputs } = await nextOutputs(dependencies, request, caller);
      return { ...resultColumns(outputs, (output) => outputItem(call, output)), lastEntryId, numUnfinishedInputs };
    },
  };
}

/** Waits until there are some, or nothing to wait for. */
async function nextOutputs({ calls }: CallsRpcDependencies, request: FunctionGetOutputsRequest, caller: Caller) {
  const call = calls.require(request.functionCallId, caller.workspaceId);
  const seconds = Number.isFinite(request.timeout) ? Math.min(MAX_POLL_SECONDS, Math.max(0, request.timeout)) : MAX_POLL_SECONDS;
  const { startIdx, endIdx } = request;
  const range = startIdx === undefined && endIdx === undefined ? undefined : { from: startIdx ?? 0, to: endIdx ?? 2 ** 31 - 1 };
  const maxCount = request.maxValues > 0 ? Math.min(MAX_OUTPUTS, request.maxValues) : MAX_OUTPUTS;
  const after = range === undefined ? cursorOf(request.lastEntryId) : 0;
  const { outputs, ...page } = await calls.polls.next(call, { after, range, maxCount, timeoutMs: seconds * 1000 });
  // The client has everything: it will send no more inputs, and need nothing of it in memory.
  if (request.clearOnSuccess && !call.closed && call.unfinished === 0 && call.size > 0) void calls.close(call).catch(() => undefined);
  return { call, outputs, lastEntryId: `${page.after}-0`, numUnfinishedInputs: page.unfinished };
}

function newCall({ requireFunction }: CallsRpcDependencies, request: FunctionMapRequest, caller: Caller): NewCall {
  const fn = requireFunction(request.functionId, caller);
  const kind = request.functionCallType === FunctionCallType.MAP ? "map" : "unary";
  const inputs = newInputs(request.pipelinedInputs);
  if (kind === "unary" && inputs.length > 1) {
    throw new LydianError("invalid_argument", `A unary call has one input, and this one has ${inputs.length}.`);
  }
  return { fn, kind, invocation: request.functionCallInvocationType, parentInputId: request.parentInputId, inputs };
}

function newInputs(items: readonly FunctionPutInputsItem[]): NewInput[] {
  const seen = new Set<number>();
  return items.map(({ idx, input }) => {
    const payload = withArguments(input, idx);
    if (seen.has(idx)) throw new LydianError("invalid_argument", `Two inputs of one request have the index ${idx}.`);
    seen.add(idx);
    return { idx, payload };
  });
}

function withArguments(input: FunctionInput | undefined, idx: number): FunctionInput {
  if (input?.argsOneof.case === undefined) throw new LydianError("invalid_argument", `Input ${idx} carries no arguments.`);
  const bytes = input.argsOneof.case === "args" ? input.argsOneof.value.byteLength : 0;
  if (bytes <= MAX_INLINE_BYTES) return input;
  const message = `The arguments of input ${idx} have ${bytes} bytes; at most ${MAX_INLINE_BYTES} may be in the message.`;
  throw new LydianError("invalid_argument", message, { hint: "Upload them as a blob and send its id, as released clients do." });
}

function mapResponse(call: Call, request: NewCall | undefined): MapResponse {
  const definition = request?.fn.definition;
  const policy = definition === undefined ? undefined : retryPolicyOf(definition);
  return {
    functionCallId: call.id,
    functionCallJwt: call.id,
    pipelinedInputs: (request?.inputs ?? []).map(({ idx }) => putItem(call, idx)),
    // All retries are the server's: they must also happen when the client is gone.
    syncClientRetriesEnabled: false,
    ...(policy !== undefined && { retryPolicy: policy }),
    ...(call.kind === "map" && request !== undefined && { maxInputsOutstanding: mapOutstanding(request.fn) }),
  };
}

function mapOutstanding({ definition }: CalledFunction): number {
  const containers = definition.autoscalerSettings?.maxContainers || definition.concurrencyLimit || DEFAULT_MAX_CONTAINERS;
  return Math.min(MAX_MAP_OUTSTANDING, Math.max(MIN_MAP_OUTSTANDING, 2 * containers * slotsOf(definition).max));
}

/** The token of an input is sent back with every poll: as short as it can be. */
function putItem(call: Call, idx: number): PutItem {
  return { idx, inputId: inputId(call.id, idx), inputJwt: String(idx) };
}

function outputItem(call: Call, { result, idx, format, taskId, startedAt, createdAt }: Output): OutputItem {
  const item = { idx, inputId: inputId(call.id, idx), dataFormat: format, taskId, inputStartedAt: startedAt, outputCreatedAt: createdAt };
  // Clients drop an output whose retry count is not their own; theirs is 0, since they never retry.
  return { ...item, retryCount: 0, ...(result !== undefined && { result }) };
}

/** "N-0": the client has the first N outputs. */
function cursorOf(lastEntryId: string): number {
  if (lastEntryId === "") return 0;
  const match = /^(\d{1,15})-0$/.exec(lastEntryId);
  if (match === null) throw new LydianError("invalid_argument", `"${lastEntryId}" is no cursor of this server; the first is "0-0".`);
  return Number(match[1]);
}

function callIdOf(info: { case: "functionCallId" | "attemptToken"; value: string } | { case: undefined; value?: undefined }): string {
  if (info.case === "functionCallId") return info.value;
  throw new LydianError("invalid_argument", "The request names no function call.");
}

function chunkRow({
  index,
  dataFormat,
  dataOneof,
}: {
  index: bigint;
  dataFormat: DataFormat;
  dataOneof: { case: string | undefined; value?: unknown };
}): ChunkRow {
  const data = dataOneof.case === "data" ? (dataOneof.value as Uint8Array) : null;
  const blob = dataOneof.case === "dataBlobId" ? (dataOneof.value as string) : null;
  return { idx: Number(index), format: dataFormat, data, data_blob_id: blob };
}

function requestKey(caller: Caller, headers: Headers): { key: string | undefined; repeated: boolean } {
  const key = headers["x-idempotency-key"];
  const attempt = headers["x-retry-attempt"];
  return { key: key === undefined ? undefined : `${caller.workspaceId}/${key}`, repeated: attempt !== undefined && attempt !== "0" };
}
