import { inputId, MAX_IDX, parseInputId } from "@lydian/protocol";
// The pure parts of calls: states, retries, ids.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type InputEvent, type InputState, nextInputState } from "./input-state.ts";
import { type AttemptEnd, afterAttempt, MAX_LOSSES, retryDelayMs } from "./retry-policy.ts";

const STATES: InputState[] = ["queued", "running", "waiting", "recording", "done", "withdrawn"];
const EVENTS: InputEvent[] = [
  "taken",
  "released",
  "failed",
  "due",
  "answered",
  "recorded",
  "unrecorded",
  "unrecorded-running",
  "unwritten",
];

describe("the life of an input", () => {
  it("ends in done, which only a recorded output reaches and nothing leaves", () => {
    for (const state of STATES) {
      for (const event of EVENTS) {
        const next = nextInputState(state, event);
        if (next === "done") expect([state, event]).toEqual(["recording", "recorded"]);
        if (state === "done" || state === "withdrawn") expect(next).toBeUndefined();
      }
    }
  });

  it("can come to its end from every state, and be withdrawn until then", () => {
    for (const state of STATES) expect(nextInputState(state, "unwritten") !== undefined).toBe(!["done", "withdrawn"].includes(state));
    const reaches = new Set<InputState>(["done", "withdrawn"]);
    for (let round = 0; round < STATES.length; round++) {
      for (const state of STATES) if (EVENTS.some((event) => reaches.has(nextInputState(state, event) ?? state))) reaches.add(state);
    }
    expect([...reaches].sort()).toEqual([...STATES].sort());
  });

  it("is in one container at most: only a queued input is taken", () => {
    for (const state of STATES) expect(nextInputState(state, "taken")).toBe(state === "queued" ? "running" : undefined);
  });
});

describe("retries", () => {
  const policy = fc.record({
    retries: fc.nat(10),
    initialDelayMs: fc.nat(10_000),
    backoffCoefficient: fc.double({ min: 1, max: 10, noNaN: true }),
    maxDelayMs: fc.integer({ min: 1, max: 60_000 }),
  });
  const end: fc.Arbitrary<AttemptEnd> = fc.oneof(
    fc.constantFrom("", "retry-after:250", "something else").map((propagationReason) => ({ kind: "failure" as const, propagationReason })),
    fc.constantFrom({ kind: "lost" as const }, { kind: "displaced" as const }),
  );

  it("end: an input whose attempts all fail gets an output after a bounded number of them", () => {
    fc.assert(
      fc.property(policy, fc.array(end, { minLength: 40, maxLength: 40 }), (rules, ends) => {
        let [failures, losses, charged] = [0, 0, 0];
        for (const attempt of ends) {
          const after = afterAttempt(attempt, { failures, losses, yielded: false }, rules);
          if (after.next === "final") {
            expect(failures).toBeLessThanOrEqual(rules.retries);
            return;
          }
          if (after.charged === "failure") failures++;
          if (after.charged === "loss") losses++;
          if (after.charged !== "nothing") charged++;
          expect(charged).toBeLessThanOrEqual(rules.retries + MAX_LOSSES - 1);
        }
      }),
    );
  });

  it("wait longer each time, up to the maximum", () => {
    fc.assert(
      fc.property(policy, fc.integer({ min: 1, max: 20 }), (rules, n) => {
        expect(retryDelayMs(n, rules)).toBeLessThanOrEqual(rules.maxDelayMs);
        expect(retryDelayMs(n + 1, rules)).toBeGreaterThanOrEqual(retryDelayMs(n, rules));
      }),
    );
    expect(retryDelayMs(3, { retries: 5, initialDelayMs: 100, backoffCoefficient: 2, maxDelayMs: 10_000 })).toBe(400);
  });

  it("are never made for what was cancelled, has yielded, or must not be retried", () => {
    fc.assert(
      fc.property(policy, fc.nat(3), (rules, failures) => {
        const history = { failures, losses: 0, yielded: false };
        expect(afterAttempt({ kind: "terminated" }, history, rules)).toEqual({ next: "final" });
        expect(afterAttempt({ kind: "failure", propagationReason: "non-retriable" }, history, rules)).toEqual({ next: "final" });
        expect(afterAttempt({ kind: "lost" }, { ...history, yielded: true }, rules)).toEqual({ next: "final" });
      }),
    );
  });

  it("obey the delay that the thrower asked for", () => {
    const rules = { retries: 3, initialDelayMs: 1, backoffCoefficient: 1, maxDelayMs: 1 };
    const after = afterAttempt(
      { kind: "failure", propagationReason: "retry-after:1234" },
      { failures: 0, losses: 0, yielded: false },
      rules,
    );
    expect(after).toEqual({ next: "retry", delayMs: 1234, charged: "failure" });
  });
});

describe("ids of inputs", () => {
  const callId = fc.stringMatching(/^[0-9A-Za-z]{22}$/).map((characters) => `fc-${characters}`);

  it("name their call and their index, with one dash", () => {
    fc.assert(
      fc.property(callId, fc.integer({ min: 0, max: MAX_IDX }), (call, idx) => {
        const id = inputId(call, idx);
        expect(parseInputId(id)).toEqual({ callId: call, idx });
        expect(id.split("-")).toHaveLength(2);
      }),
    );
  });

  it("are refused in any other shape", () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 40 }), (text) => {
        const parsed = parseInputId(text);
        if (parsed !== undefined) expect(parsed.idx).toBeLessThanOrEqual(MAX_IDX);
      }),
    );
    for (const id of ["", "in-", "in-0000000000000000000000", `in-${"z".repeat(28)}`]) expect(parseInputId(id)).toBeUndefined();
  });
});
