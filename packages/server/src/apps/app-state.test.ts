import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type AppEvent, type AppState, isLive, needsClient, nextAppState, republish } from "./app-state.ts";

const states: AppState[] = ["initializing", "ephemeral", "detached", "deployed", "stopping", "stopped"];
const events: AppEvent[] = ["publish-ephemeral", "publish-detached", "deploy", "stop", "emptied"];
const walk = fc.array(fc.constantFrom(...events), { maxLength: 30 });

/** Impossible events leave the state as it is. */
const run = (from: AppState, happened: readonly AppEvent[]): AppState =>
  happened.reduce<AppState>((state, event) => nextAppState(state, event) ?? state, from);

describe("the life of an app", () => {
  it("never goes back to life", () => {
    fc.assert(
      fc.property(fc.constantFrom(...states), walk, (from, happened) => {
        let state = from;
        for (const event of happened) {
          const next = nextAppState(state, event) ?? state;
          if (!isLive(state)) expect(isLive(next)).toBe(false);
          if (state === "stopped") expect(next).toBe("stopped");
          state = next;
        }
      }),
    );
  });

  it("ends from anywhere by a stop and by being emptied, in this order", () => {
    fc.assert(
      fc.property(fc.constantFrom(...states), walk, (from, happened) => {
        expect(run(run(from, happened), ["stop", "emptied"])).toBe("stopped");
      }),
    );
  });

  it("never ends without a stop", () => {
    fc.assert(
      fc.property(fc.constantFrom<AppState>("initializing", "ephemeral", "detached", "deployed"), walk, (from, happened) => {
        expect(
          isLive(
            run(
              from,
              happened.filter((event) => event !== "stop"),
            ),
          ),
        ).toBe(true);
      }),
    );
  });

  it("never comes to depend on a client again when it once did not", () => {
    fc.assert(
      fc.property(fc.constantFrom(...states), walk, (from, happened) => {
        if (!needsClient(from)) expect(needsClient(run(from, happened))).toBe(false);
      }),
    );
  });

  it("goes on as what it is when it is published again", () => {
    for (const state of states.filter((each) => isLive(each) && each !== "initializing"))
      expect(nextAppState(state, republish(state))).toBe(state);
  });

  it("does not turn a detached app into one that ends with its client", () => {
    expect(nextAppState("detached", "publish-ephemeral")).toBeUndefined();
  });
});
