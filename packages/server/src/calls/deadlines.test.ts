import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Clock, type Deadline, Deadlines } from "./deadlines.ts";

class OneTimer implements Clock {
  time = 0;
  wake: (() => void) | undefined;
  at = 0;
  armed = 0;

  now(): number {
    return this.time;
  }

  after(ms: number, wake: () => void): () => void {
    this.wake = wake;
    this.at = this.time + ms;
    this.armed++;
    return () => {
      this.wake = undefined;
    };
  }

  advance(ms: number): void {
    const until = this.time + ms;
    while (this.wake !== undefined && this.at <= until) {
      const { wake } = this;
      this.time = this.at;
      this.wake = undefined;
      wake();
    }
    this.time = until;
  }
}

describe("deadlines", () => {
  it("fire in order, once, when they are due, unless they were taken back", () => {
    const step = fc.oneof(
      fc.record({ do: fc.constant("add" as const), ms: fc.nat(100) }),
      fc.record({ do: fc.constant("cancel" as const), ms: fc.nat(1000) }),
      fc.record({ do: fc.constant("advance" as const), ms: fc.nat(40) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 150 }), (steps) => {
        const clock = new OneTimer();
        const deadlines = new Deadlines(clock, () => {});
        const waiting = new Map<Deadline, number>();
        const fired: number[] = [];
        for (const { do: what, ms } of steps) {
          if (what === "add") {
            const at = clock.time + ms;
            const deadline: Deadline = deadlines.add(at, () => {
              expect(waiting.delete(deadline)).toBe(true);
              expect(clock.time).toBe(at);
              fired.push(at);
            });
            waiting.set(deadline, at);
          } else if (what === "cancel") {
            const [deadline] = [...waiting.keys()].slice(ms % Math.max(1, waiting.size));
            deadlines.cancel(deadline);
            if (deadline !== undefined) waiting.delete(deadline);
          } else clock.advance(ms);
          expect(deadlines.size).toBe(waiting.size);
        }
        clock.advance(1000);
        expect(waiting.size).toBe(0);
        expect(fired).toEqual([...fired].sort((a, b) => a - b));
      }),
    );
  });

  it("go on after one that throws", () => {
    const clock = new OneTimer();
    const errors: unknown[] = [];
    const deadlines = new Deadlines(clock, (error) => errors.push(error));
    let fired = false;
    deadlines.add(5, () => {
      throw new Error("boom");
    });
    deadlines.add(5, () => {
      fired = true;
    });
    clock.advance(10);
    expect([errors.length, fired]).toEqual([1, true]);
  });

  it("never fire after the end", () => {
    const clock = new OneTimer();
    const deadlines = new Deadlines(clock, () => {});
    let fired = false;
    const fire = () => {
      fired = true;
    };
    deadlines.add(5, fire);
    deadlines.close();
    deadlines.add(6, fire);
    clock.advance(10);
    expect(fired).toBe(false);
  });
});
