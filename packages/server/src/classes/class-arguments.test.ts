import {
  ClassParameterSetSchema,
  CONSTRUCTOR_ARGUMENTS,
  create,
  decodePayload,
  encodePayload,
  type MessageInitShape,
  toBinary,
} from "@lydian/protocol";
import { expect, it } from "vitest";
import { classArguments } from "./class-arguments.ts";

const read = (parameters: MessageInitShape<typeof ClassParameterSetSchema>["parameters"] = []) =>
  classArguments(toBinary(ClassParameterSetSchema, create(ClassParameterSetSchema, { parameters })));

it("makes one record of parameters, with numbers where they are exact", () => {
  const bytes = read([
    { name: "name", valueOneof: { case: "stringValue", value: "x" } },
    { name: "size", valueOneof: { case: "intValue", value: 3n } },
    { name: "big", valueOneof: { case: "intValue", value: 2n ** 62n } },
    { name: "on", valueOneof: { case: "boolValue", value: false } },
    { name: "key", valueOneof: { case: "bytesValue", value: new Uint8Array([1]) } },
  ]);
  expect(decodePayload(bytes)).toEqual([{ name: "x", size: 3, big: 2n ** 62n, on: false, key: new Uint8Array([1]) }]);
});

it("passes on the constructor's arguments of a class without declared parameters", () => {
  const value = encodePayload([{ region: "eu" }, 2]);
  expect(decodePayload(read([{ name: CONSTRUCTOR_ARGUMENTS, valueOneof: { case: "bytesValue", value } }]))).toEqual([{ region: "eu" }, 2]);
});

it("has nothing for no parameters, and refuses pickles by name", () => {
  expect(classArguments(new Uint8Array())).toHaveLength(0);
  expect(() => read([{ name: "model", valueOneof: { case: "pickleValue", value: new Uint8Array([128]) } }])).toThrow(
    'The parameter "model" has no value that a TypeScript class can read',
  );
  expect(() => classArguments(new Uint8Array([128, 4]))).toThrow("no ClassParameterSet");
});
