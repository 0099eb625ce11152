import { DataFormat, FunctionCallInvocationType, GenericResult_GenericStatus as Status } from "@lydian/protocol";
import { describe, expect, it } from "vitest";
import { TurnedClock } from "../schedules/test-life.ts";
import { Call, type CallKind, Input } from "./call.ts";
import { Deadlines } from "./deadlines.ts";
import { OutputPolls } from "./output-polls.ts";
import type { CallStore } from "./store.ts";

/** A call with so many inputs, and a client that asks again and again. */
function life(kind: CallKind, inputs: number) {
  const clock = new TurnedClock();
  const deadlines = new Deadlines(clock, (error) => {
    throw error;
  });
  // Nothing is read from the journal: every result is kept.
  const polls = new OutputPolls({ store: {} as CallStore, clock, deadlines });
  const invocation = FunctionCallInvocationType.SYNC;
  const call = new Call({ seq: 1, id: "fc-1", functionId: "fu-1", kind, invocation, parentInputId: "", createdAt: 0 });
  for (let idx = 0; idx < inputs; idx++) call.add(new Input(call, idx, 0));
  const answers: number[] = [];
  let after = 0;
  const ask = async () => {
    while (after < inputs) {
      const page = await polls.next(call, { after, range: undefined, maxCount: 5_000, timeoutMs: 60_000 });
      answers.push(page.outputs.length);
      after = page.after;
    }
  };
  void ask();
  const result = { status: Status.SUCCESS };
  const times = { taskId: "ta-1", startedAt: 0, createdAt: 0 };
  return {
    clock,
    answers,
    /** So many more inputs have their outputs. */
    async finish(count: number) {
      for (const idx of Array.from({ length: count }, () => call.outputs.length)) {
        const input = call.input(idx);
        if (input === undefined) throw new Error(`there is no input ${idx}`);
        call.append(input, { idx, seq: idx + 1, status: Status.SUCCESS, format: DataFormat.PICKLE, ...times, bytes: 0, result });
      }
      polls.wake(call);
      await new Promise<void>((resolve) => setImmediate(resolve));
    },
  };
}

describe("polls of a map", () => {
  it("are answered together once the first outputs have been told", async () => {
    const { finish, answers, clock } = life("map", 100);
    await finish(1);
    expect(answers).toEqual([1]);
    for (let i = 0; i < 10; i++) await finish(2);
    expect(answers).toEqual([1]);
    await clock.advance(60);
    expect(answers).toEqual([1, 20]);
  });

  it("do not wait when there is much to tell", async () => {
    const { finish, answers } = life("map", 2_000);
    await finish(1);
    await finish(200);
    await finish(200);
    expect(answers).toEqual([1, 400]);
  });

  it("do not wait for a time that has passed already", async () => {
    const { finish, answers, clock } = life("map", 2_000);
    await finish(1);
    await clock.advance(60);
    await finish(1);
    expect(answers).toEqual([1, 1]);
    await finish(1);
    await finish(300);
    expect(answers).toEqual([1, 1, 301]);
    await finish(1);
    expect(answers).toEqual([1, 1, 301]);
    await clock.advance(60);
    expect(answers).toEqual([1, 1, 301, 1]);
  });

  it("are told of the last output at once", async () => {
    const { finish, answers } = life("map", 3);
    await finish(1);
    await finish(1);
    await finish(1);
    expect(answers).toEqual([1, 2]);
  });
});
