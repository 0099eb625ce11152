import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Call, Input } from "./call.ts";
import { ReadyQueue } from "./ready-queue.ts";

function makeCall(seq: number): Call {
  const options = { id: `fc-${seq}`, functionId: "fu-1", kind: "map", invocation: 4, parentInputId: "", createdAt: 0 } as const;
  return new Call({ seq, ...options });
}

function makeInput(call: Call): Input {
  const input = new Input(call, call.size, 0);
  call.add(input);
  return input;
}

describe("the queue of a function", () => {
  it("gives out everything once, each call in its own order, and passes over what was answered meanwhile", () => {
    const command = fc.oneof(
      fc.record({ do: fc.constant("push" as const), call: fc.nat(4) }),
      fc.record({ do: fc.constant("again" as const), call: fc.nat(4) }),
      fc.record({ do: fc.constant("take" as const), call: fc.nat(0) }),
      fc.record({ do: fc.constant("answer" as const), call: fc.nat(1000) }),
    );
    fc.assert(
      fc.property(fc.array(command, { maxLength: 200 }), (commands) => {
        const queue = new ReadyQueue();
        const calls = Array.from({ length: 5 }, (_, at) => makeCall(at));
        const queued: Input[] = [];
        const lastOf = new Map<Call, number>();
        const returned = new Set<Input>();
        for (const step of commands) {
          const call = calls[step.call];
          if (step.do === "push" && call !== undefined) {
            const input = makeInput(call);
            queue.push(input);
            queued.push(input);
          } else if (step.do === "again" && call !== undefined) {
            const input = makeInput(call);
            returned.add(input);
            queue.pushFirst(input);
            queued.push(input);
          } else if (step.do === "answer" && queued.length > 0) {
            const [input] = queued.splice(step.call % queued.length, 1);
            input?.apply("answered");
            queue.forget();
          } else if (step.do === "take") {
            const input = queue.shift();
            expect(input === undefined).toBe(queued.length === 0);
            if (input === undefined) continue;
            expect(queued).toContain(input);
            queued.splice(queued.indexOf(input), 1);
            input.apply("taken");
            if (returned.has(input)) continue;
            expect(input.idx).toBeGreaterThan(lastOf.get(input.call) ?? -1);
            lastOf.set(input.call, input.idx);
          }
          expect(queue.size).toBe(queued.length);
        }
      }),
    );
  });

  it("gives calls turns", () => {
    const queue = new ReadyQueue();
    const big = makeCall(1);
    for (let at = 0; at < 1000; at++) queue.push(makeInput(big));
    const small = makeInput(makeCall(2));
    queue.push(small);
    queue.shift()?.apply("taken");
    expect(queue.shift()).toBe(small);
  });
});
