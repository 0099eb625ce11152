// A standby container has nothing to do until it is given a function, and everything runs slowly the first time. So it runs a made-up
// input through the same code meanwhile, against a control plane that is not there: the first real input then finds it compiled.

import type { AsyncLocalStorage } from "node:async_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import {
  answerColumns,
  create,
  DataFormat,
  deliveriesOf,
  deliveryColumns,
  encodePayload,
  fromBinary,
  GetInputsResponseSchema,
  type InputContext,
  inputId,
  PutOutputsRequestSchema,
  StartResponseSchema,
  toBinary,
} from "@lydian/protocol";
import type { ControlPlane } from "./control-plane.ts";
import { runInputLoop } from "./input-loop.ts";
import { OutputQueue } from "./outputs.ts";
import { PayloadTransfer } from "./payload-transfer.ts";
import { runInput } from "./run-input.ts";
import { RunningInput } from "./running-input.ts";
import { functionService } from "./service.ts";

/** A container that was made for a function gets it sooner than this, and must not wait for a rehearsal. */
const STANDBY_AFTER_MS = 30;

const CALL_ID = `fc-${"0".repeat(22)}`;
const EMPTY_MODULE: string = "data:text/javascript,export{}";

/** Rehearses unless `given` settles soon. Never rejects: it only ever makes things faster. */
export async function rehearseWhileWaiting(given: Promise<unknown>, currentInput: AsyncLocalStorage<InputContext>): Promise<void> {
  const soon = await Promise.race([
    given.then(
      () => true,
      () => true,
    ),
    sleep(STANDBY_AFTER_MS, false, { ref: false }),
  ]);
  if (!soon) await rehearse(currentInput).catch(() => {});
}

async function rehearse(currentInput: AsyncLocalStorage<InputContext>): Promise<void> {
  await import(EMPTY_MODULE);
  fromBinary(
    StartResponseSchema,
    toBinary(StartResponseSchema, create(StartResponseSchema, { functionIds: { f: "fu" }, env: { NAME: "" } })),
  );
  const client = madeUpControlPlane();
  const never = new AbortController().signal;
  const outputs = new OutputQueue({ client, refused: (output) => output, onLost: () => {} });
  const transfer = new PayloadTransfer({ connection: undefined as never, client, maxInlineBytes: Number.MAX_SAFE_INTEGER });
  const service = functionService({ handler: async (value: unknown) => value, isGenerator: false });
  await runInputLoop({
    client,
    slots: 1,
    maxInputs: 0,
    signal: never,
    run: (item) => {
      const input = new RunningInput({ item, timeoutMs: 1000, answer: (output) => outputs.put(output) });
      return runInput(input, { service, client, transfer, currentInput, fail: () => {} });
    },
  });
  await outputs.flush();
}

/** One input, then the kill switch; through the wire format and back, as everything else. */
function madeUpControlPlane(): ControlPlane {
  let given = false;
  return {
    getInputs: async () => {
      const args = encodePayload([[{ text: "", list: [1, 2.5, true, null] }], {}], { rich: true });
      const input = { argsOneof: { case: "args" as const, value: args }, dataFormat: DataFormat.CBOR_TS };
      const items = given ? [{ killSwitch: true }] : [{ inputId: inputId(CALL_ID, 0), functionCallId: CALL_ID, input }];
      given = true;
      const bytes = toBinary(GetInputsResponseSchema, create(GetInputsResponseSchema, deliveryColumns(items)));
      return deliveriesOf(fromBinary(GetInputsResponseSchema, bytes));
    },
    putOutputs: async (outputs: Parameters<ControlPlane["putOutputs"]>[0]) => {
      toBinary(PutOutputsRequestSchema, create(PutOutputsRequestSchema, answerColumns(outputs)));
    },
  } satisfies Pick<ControlPlane, "getInputs" | "putOutputs"> as unknown as ControlPlane;
}
