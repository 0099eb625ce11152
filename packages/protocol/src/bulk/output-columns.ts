// Outputs in columns: from containers to the server, and from there to callers.
import type { MessageInitShape } from "@bufbuild/protobuf";
import { LydianError } from "../errors.ts";
import type { BulkGetOutputsResponse } from "../generated/lydian/v1/bulk_pb.js";
import type { PutOutputsRequest, PutOutputsRequestSchema } from "../generated/lydian/v1/runtime_pb.js";
import type { FunctionGetOutputsItem } from "../generated/modal/client/calls_pb.js";
import type { FunctionPutOutputsItem, FunctionPutOutputsItemSchema } from "../generated/modal/client/containers_pb.js";
import {
  type DataFormat,
  type GenericResultSchema,
  GenericResult_GenericStatus as Status,
} from "../generated/modal/client/execution_pb.js";
import { packInputIds, placesOf } from "./input-columns.ts";
import { inputId, parseInputId } from "./input-ids.ts";
import { success } from "./plain-messages.ts";

type ResultInit = MessageInitShape<typeof GenericResultSchema>;
type AnswerInit = MessageInitShape<typeof FunctionPutOutputsItemSchema>;

/** The value of a result that is nothing but one. */
function plainValue(result: ResultInit | undefined): Uint8Array | undefined {
  return result?.status === Status.SUCCESS && result.dataOneof?.case === "data" ? result.dataOneof.value : undefined;
}

/** What a container answers. */
export function answerColumns(answers: readonly AnswerInit[]): MessageInitShape<typeof PutOutputsRequestSchema> {
  const places: { callId: string; idx: number }[] = [];
  const data: Uint8Array[] = [];
  const retryCounts: number[] = [];
  const startedAt: number[] = [];
  const endedAt: number[] = [];
  const others: AnswerInit[] = [];
  let format: DataFormat | undefined;
  for (const answer of answers) {
    const place = parseInputId(answer.inputId ?? "");
    const value = plainValue(answer.result);
    if (place === undefined || value === undefined || answer.dataFormat !== (format ?? answer.dataFormat)) {
      others.push(answer);
      continue;
    }
    format ??= answer.dataFormat;
    places.push(place);
    data.push(value);
    retryCounts.push(answer.retryCount ?? 0);
    startedAt.push(answer.inputStartedAt ?? 0);
    endedAt.push(answer.outputCreatedAt ?? 0);
  }
  if (places.length === 0) return { others };
  const outputs = format === undefined ? { data } : { format, data };
  return { ids: packInputIds(places), retryCounts, outputs, startedAt, endedAt, others };
}

export function answersOf({ ids, retryCounts, outputs, startedAt, endedAt, others }: PutOutputsRequest): FunctionPutOutputsItem[] {
  const { data, format: dataFormat } = outputs ?? { data: [], format: 0 };
  const answers = placesOf(ids, retryCounts.length, data.length, startedAt.length, endedAt.length).map(
    ({ callId, idx }, i): FunctionPutOutputsItem => ({
      $typeName: "modal.client.FunctionPutOutputsItem",
      inputId: inputId(callId, idx),
      functionCallId: callId,
      retryCount: retryCounts[i] ?? 0,
      result: success(data[i] ?? new Uint8Array()),
      dataFormat,
      inputStartedAt: startedAt[i] ?? 0,
      outputCreatedAt: endedAt[i] ?? 0,
    }),
  );
  return others.length === 0 ? answers : [...answers, ...others];
}

/** What a caller gets; `other` makes the message of one that does not fit into the columns. */
export function resultColumns<O extends { readonly idx: number; readonly format: DataFormat; readonly result: ResultInit | undefined }, M>(
  all: readonly O[],
  other: (output: O) => M,
) {
  const idxs: number[] = [];
  const data: Uint8Array[] = [];
  const others: M[] = [];
  let format: DataFormat | undefined;
  for (const output of all) {
    const value = plainValue(output.result);
    if (value === undefined || output.format !== (format ?? output.format)) others.push(other(output));
    else {
      format ??= output.format;
      idxs.push(output.idx);
      data.push(value);
    }
  }
  return { idxs, ...(format !== undefined && { outputs: { format, data } }), others };
}

/** The outputs of a call, with what its caller reads of them. */
export function resultsOf({ idxs, outputs, others }: BulkGetOutputsResponse): FunctionGetOutputsItem[] {
  const { data, format: dataFormat } = outputs ?? { data: [], format: 0 };
  if (idxs.length !== data.length) throw new LydianError("internal", `The server sent ${idxs.length} indices for ${data.length} outputs.`);
  const results = data.map(
    (value, i): FunctionGetOutputsItem => ({
      $typeName: "modal.client.FunctionGetOutputsItem",
      idx: idxs[i] ?? 0,
      inputId: "",
      result: success(value),
      dataFormat,
      taskId: "",
      inputStartedAt: 0,
      outputCreatedAt: 0,
      retryCount: 0,
    }),
  );
  return others.length === 0 ? results : [...results, ...others];
}
