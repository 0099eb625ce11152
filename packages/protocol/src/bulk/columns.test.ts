import type { DescMessage, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BulkGetOutputsResponseSchema } from "../generated/lydian/v1/bulk_pb.js";
import { InputColumnsSchema } from "../generated/lydian/v1/columns_pb.js";
import { GetInputsResponseSchema, PutOutputsRequestSchema } from "../generated/lydian/v1/runtime_pb.js";
import { FunctionGetOutputsItemSchema } from "../generated/modal/client/calls_pb.js";
import { FunctionGetInputsItemSchema, FunctionPutOutputsItemSchema } from "../generated/modal/client/containers_pb.js";
import { DataFormat, FunctionInputSchema, GenericResult_GenericStatus as Status } from "../generated/modal/client/execution_pb.js";
import { packCallIds, unpackCallIds } from "./call-ids.ts";
import { deliveriesOf, deliveryColumns, inputColumns, inputsOf } from "./input-columns.ts";
import { inputId } from "./input-ids.ts";
import { answerColumns, answersOf, resultColumns, resultsOf } from "./output-columns.ts";

function overTheWire<S extends DescMessage>(schema: S, init: MessageInitShape<S>): MessageShape<S> {
  return fromBinary(schema, toBinary(schema, create(schema, init)));
}

const data = fc.uint8Array({ maxLength: 20 });
const format = fc.constantFrom(DataFormat.CBOR, DataFormat.CBOR_TS, DataFormat.PICKLE);
const callId = fc.constantFrom("0", "a", "Z").map((digit) => `fc-${digit.repeat(22)}`);
const place = fc.record({ callId, idx: fc.nat({ max: 2 ** 31 - 1 }) });
const times = { inputStartedAt: fc.double({ noNaN: true }), outputCreatedAt: fc.double({ noNaN: true }) };
const payload = fc.oneof(
  fc.record({ case: fc.constant("args" as const), value: data }),
  fc.record({ case: fc.constant("argsBlobId" as const), value: fc.constant("bl-1") }),
);
const input = fc
  .record({ argsOneof: payload, dataFormat: format, finalInput: fc.boolean(), methodName: fc.constantFrom("one", "", undefined) })
  .map(({ methodName, ...rest }) => create(FunctionInputSchema, methodName === undefined ? rest : { ...rest, methodName }));
const result = fc.oneof(
  data.map((value) => ({ status: Status.SUCCESS, dataOneof: { case: "data" as const, value } })),
  fc.constant({ status: Status.SUCCESS, dataOneof: { case: "dataBlobId" as const, value: "bl-1" } }),
  fc.constant({ status: Status.FAILURE, exception: "no", dataOneof: { case: "data" as const, value: new Uint8Array([1]) } }),
);

/** Columns first, the others after them: the order is no part of the meaning. */
const byId = <T extends { readonly inputId: string }>(items: readonly T[]) => [...items].sort((a, b) => a.inputId.localeCompare(b.inputId));
const distinct = <T extends { place: { callId: string; idx: number } }>(each: fc.Arbitrary<T>) =>
  fc.uniqueArray(each, { maxLength: 30, selector: ({ place }) => inputId(place.callId, place.idx) });

describe("columns", () => {
  it("carry the arguments of inputs that are alike", () => {
    const alike = fc.record({ format, method: fc.constantFrom("one", undefined), args: fc.array(data) });
    fc.assert(
      fc.property(alike, ({ format: dataFormat, method, args }) => {
        const inputs = args.map((value) => {
          const plain = { argsOneof: { case: "args" as const, value }, dataFormat };
          return create(FunctionInputSchema, method === undefined ? plain : { ...plain, methodName: method });
        });
        expect(inputsOf(overTheWire(InputColumnsSchema, inputColumns(inputs) ?? {}))).toEqual(inputs);
      }),
    );
  });

  it("are refused by inputs that are not", () => {
    const args = { argsOneof: { case: "args" as const, value: new Uint8Array([1]) }, dataFormat: DataFormat.CBOR };
    for (const other of [
      { ...args, dataFormat: DataFormat.PICKLE },
      { ...args, methodName: "m" },
      { ...args, finalInput: true },
      { ...args, argsOneof: { case: "argsBlobId" as const, value: "bl-1" } },
    ])
      expect(inputColumns([args, other])).toBeUndefined();
  });

  it("carry to a container what it is given, whatever that is", () => {
    fc.assert(
      fc.property(distinct(fc.record({ place, input, retryCount: fc.nat() })), (given) => {
        const items = given.map(({ place: { callId: functionCallId, idx }, ...rest }) =>
          create(FunctionGetInputsItemSchema, { ...rest, inputId: inputId(functionCallId, idx), functionCallId }),
        );
        expect(byId(deliveriesOf(overTheWire(GetInputsResponseSchema, deliveryColumns(items))))).toEqual(byId(items));
      }),
    );
  });

  it("carry the kill switch, and inputs with ids of another shape", () => {
    const items = [{ killSwitch: true }, { inputId: "in-1", functionCallId: "fc-1" }].map((item) =>
      create(FunctionGetInputsItemSchema, item),
    );
    expect(deliveriesOf(overTheWire(GetInputsResponseSchema, deliveryColumns(items)))).toEqual(items);
  });

  it("carry what a container answers", () => {
    const answer = fc.record({ place, result, dataFormat: format, retryCount: fc.nat(), ...times });
    fc.assert(
      fc.property(distinct(answer), (given) => {
        const items = given.map(({ place: { callId: functionCallId, idx }, ...rest }) =>
          create(FunctionPutOutputsItemSchema, { ...rest, inputId: inputId(functionCallId, idx), functionCallId }),
        );
        expect(byId(answersOf(overTheWire(PutOutputsRequestSchema, answerColumns(items))))).toEqual(byId(items));
      }),
    );
  });

  it("carry results to the caller", () => {
    const output = fc.record({ idx: fc.nat(), format, result });
    fc.assert(
      fc.property(fc.uniqueArray(output, { selector: ({ idx }) => idx }), (outputs) => {
        const other = (each: (typeof outputs)[number]) => ({ idx: each.idx, dataFormat: each.format, result: each.result });
        const results = resultsOf(overTheWire(BulkGetOutputsResponseSchema, resultColumns(outputs, other)));
        const sorted = <T extends { readonly idx: number }>(items: readonly T[]) => [...items].sort((a, b) => a.idx - b.idx);
        expect(sorted(results)).toEqual(sorted(outputs).map((each) => create(FunctionGetOutputsItemSchema, other(each))));
      }),
    );
  });

  it("that do not fit together are refused", () => {
    const answers = answerColumns(
      [1, 2].map((idx) => ({
        inputId: inputId(`fc-${"a".repeat(22)}`, idx),
        result: { status: Status.SUCCESS, dataOneof: { case: "data" as const, value: new Uint8Array() } },
      })),
    );
    const whole = create(PutOutputsRequestSchema, answers);
    expect(answersOf(whole)).toHaveLength(2);
    for (const broken of [
      { ...whole, retryCounts: [0] },
      { ...whole, startedAt: [] },
      { ...whole, ids: { ...(whole.ids as NonNullable<typeof whole.ids>), idxs: [1, 2, 3] } },
      { ...whole, ids: { ...(whole.ids as NonNullable<typeof whole.ids>), calls: new Uint8Array(66) } },
      { ...whole, ids: { ...(whole.ids as NonNullable<typeof whole.ids>), calls: new Uint8Array(21) } },
    ])
      expect(() => answersOf(broken)).toThrow(expect.objectContaining({ code: "invalid_argument" }));
  });

  it("hold ids of calls", () => {
    fc.assert(
      fc.property(fc.array(callId), (ids) => {
        expect(unpackCallIds(packCallIds(ids))).toEqual(ids);
      }),
    );
  });
});
