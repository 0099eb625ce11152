// Messages as literals. Making one through its schema costs more than reading the columns it comes from.
import type { FunctionInput, GenericResult } from "../generated/modal/client/execution_pb.js";
import { type DataFormat, GenericResult_GenericStatus as Status } from "../generated/modal/client/execution_pb.js";

export function plainInput(args: Uint8Array, dataFormat: DataFormat, methodName: string | undefined): FunctionInput {
  const $typeName = "modal.client.FunctionInput";
  const argsOneof = { case: "args", value: args } as const;
  if (methodName === undefined) return { $typeName, argsOneof, finalInput: false, dataFormat };
  return { $typeName, argsOneof, finalInput: false, dataFormat, methodName };
}

export function success(data: Uint8Array): GenericResult {
  return {
    $typeName: "modal.client.GenericResult",
    status: Status.SUCCESS,
    exception: "",
    exitcode: 0,
    traceback: "",
    serializedTb: NOTHING,
    tbLineCache: NOTHING,
    dataOneof: { case: "data", value: data },
    propagationReason: "",
  };
}

const NOTHING = new Uint8Array();
