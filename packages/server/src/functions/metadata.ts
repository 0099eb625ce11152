import type { MessageInitShape } from "@bufbuild/protobuf";
import { DataFormat, type FunctionHandleMetadataSchema, Function_FunctionType as FunctionType } from "@lydian/protocol";
import type { CalledFunction } from "../calls/functions-port.ts";
import { MAX_INLINE_BYTES } from "../calls/functions-port.ts";

const FORMATS = [DataFormat.CBOR, DataFormat.CBOR_TS];

type Metadata = MessageInitShape<typeof FunctionHandleMetadataSchema>;

/** What a caller must know of a function. */
export function handleMetadata({ name, appId, definition }: Pick<CalledFunction, "name" | "appId" | "definition">): Metadata {
  return { ...reservedMetadata(name, appId, definition.functionType), functionSchema: definition.functionSchema } as Metadata;
}

export function reservedMetadata(name: string, appId: string, functionType: FunctionType): Metadata {
  return {
    functionName: name,
    functionType: functionType || FunctionType.FUNCTION,
    appId,
    supportedInputFormats: FORMATS,
    supportedOutputFormats: FORMATS,
    maxObjectSizeBytes: BigInt(MAX_INLINE_BYTES),
    maxAsyncObjectSizeBytes: BigInt(MAX_INLINE_BYTES),
  };
}

export function layoutOf(functions: readonly CalledFunction[]) {
  return {
    functionIds: Object.fromEntries(functions.map(({ name, id }) => [name, id])),
    objects: functions.map((record) => ({
      objectId: record.id,
      handleMetadataOneof: { case: "functionHandleMetadata" as const, value: handleMetadata(record) },
    })),
  };
}
