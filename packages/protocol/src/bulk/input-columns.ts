// Inputs in columns: from callers to the server, and from there to containers.
import type { MessageInitShape } from "@bufbuild/protobuf";
import { LydianError } from "../errors.ts";
import type { InputColumns, InputColumnsSchema, InputIds } from "../generated/lydian/v1/columns_pb.js";
import type { GetInputsResponse, GetInputsResponseSchema } from "../generated/lydian/v1/runtime_pb.js";
import type { FunctionGetInputsItem, FunctionGetInputsItemSchema } from "../generated/modal/client/containers_pb.js";
import { FunctionCallInvocationType, type FunctionInput, type FunctionInputSchema } from "../generated/modal/client/execution_pb.js";
import { packCallIds, unpackCallIds } from "./call-ids.ts";
import { inputId, parseInputId } from "./input-ids.ts";
import { plainInput } from "./plain-messages.ts";

type InputInit = MessageInitShape<typeof FunctionInputSchema>;
type ItemInit = MessageInitShape<typeof FunctionGetInputsItemSchema>;
type ColumnsInit = Exclude<MessageInitShape<typeof InputColumnsSchema>, { $typeName: string }>;

/** What the columns cannot say is answered with undefined; `like`: what they say already. */
function plainArguments(input: InputInit | undefined, like: InputInit): Uint8Array | undefined {
  if (input?.argsOneof?.case !== "args" || input.finalInput || input.dataFormat !== like.dataFormat) return undefined;
  return input.methodName === like.methodName ? input.argsOneof.value : undefined;
}

function columnsLike({ dataFormat, methodName }: InputInit, args: Uint8Array[]): ColumnsInit {
  const format = dataFormat === undefined ? {} : { format: dataFormat };
  return methodName === undefined ? { ...format, args } : { ...format, method: methodName, args };
}

/** Undefined when one of the inputs does not fit into them. */
export function inputColumns(inputs: readonly InputInit[]): ColumnsInit | undefined {
  const [first] = inputs;
  if (first === undefined) return { args: [] };
  const args: Uint8Array[] = [];
  for (const input of inputs) {
    const plain = plainArguments(input, first);
    if (plain === undefined) return undefined;
    args.push(plain);
  }
  return columnsLike(first, args);
}

export function inputsOf(columns: InputColumns | undefined): FunctionInput[] {
  if (columns === undefined) return [];
  const { format, method } = columns;
  return columns.args.map((args) => plainInput(args, format, method));
}

/** Ids of inputs whose calls have ids of this server's shape. */
export function packInputIds(places: readonly { readonly callId: string; readonly idx: number }[]) {
  const [first] = places;
  const callId = first?.callId;
  const calls = places.every((place) => place.callId === callId)
    ? callId === undefined
      ? []
      : [callId]
    : places.map((each) => each.callId);
  return { calls: packCallIds(calls), idxs: places.map(({ idx }) => idx) };
}

/** One place for each entry of the other columns, whose lengths are given. */
export function placesOf(ids: InputIds | undefined, ...lengths: readonly number[]): { readonly callId: string; readonly idx: number }[] {
  const idxs = ids?.idxs ?? [];
  const calls = unpackCallIds(ids?.calls ?? new Uint8Array());
  const [only] = calls;
  const isWhole = calls.length === idxs.length || (calls.length === 1 && idxs.length > 0);
  if (!isWhole || lengths.some((length) => length !== idxs.length))
    throw new LydianError("invalid_argument", `The columns have ${[calls.length, idxs.length, ...lengths].join(", ")} entries.`);
  return idxs.map((idx, i) => ({ callId: (calls.length === 1 ? only : calls[i]) ?? "", idx }));
}

/** What a container is given. */
export function deliveryColumns(items: readonly ItemInit[]): MessageInitShape<typeof GetInputsResponseSchema> {
  const places: { callId: string; idx: number }[] = [];
  const args: Uint8Array[] = [];
  const retryCounts: number[] = [];
  const others: ItemInit[] = [];
  let like: InputInit | undefined;
  for (const item of items) {
    const place = parseInputId(item.inputId ?? "");
    const plain = item.input === undefined ? undefined : plainArguments(item.input, like ?? item.input);
    if (place === undefined || plain === undefined) {
      others.push(item);
      continue;
    }
    like ??= item.input;
    places.push(place);
    args.push(plain);
    retryCounts.push(item.retryCount ?? 0);
  }
  if (like === undefined) return { others };
  return { ids: packInputIds(places), retryCounts, inputs: columnsLike(like, args), others };
}

export function deliveriesOf({ ids, retryCounts, inputs, others }: GetInputsResponse): FunctionGetInputsItem[] {
  const given = inputsOf(inputs);
  const items = placesOf(ids, retryCounts.length, given.length).map(
    ({ callId, idx }, i): FunctionGetInputsItem => ({
      $typeName: "modal.client.FunctionGetInputsItem",
      inputId: inputId(callId, idx),
      input: given[i] as FunctionInput,
      killSwitch: false,
      functionCallId: callId,
      functionCallInvocationType: FunctionCallInvocationType.UNSPECIFIED,
      retryCount: retryCounts[i] ?? 0,
    }),
  );
  return others.length === 0 ? items : [...items, ...others];
}
