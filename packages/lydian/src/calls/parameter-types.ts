import { ParameterType, type ParameterType as Type } from "@lydian/protocol";
import type { ParameterValue } from "../variant.ts";

export const PARAMETER_TYPES: Readonly<Record<ParameterValue["type"], Type>> = {
  string: ParameterType.PARAM_TYPE_STRING,
  int: ParameterType.PARAM_TYPE_INT,
  bool: ParameterType.PARAM_TYPE_BOOL,
  bytes: ParameterType.PARAM_TYPE_BYTES,
};
