import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decideScaling, MAX_START_ATTEMPTS, type PoolBounds, type PoolSnapshot, startRetryDelayMs, wantedContainers } from "./policy.ts";

const NOW = 1_000_000;
const bounds = fc.record({ min: fc.nat(20), extra: fc.integer({ min: 1, max: 100 }), buffer: fc.nat(5), windowMs: fc.nat(100_000) }).map(
  ({ min, extra, buffer, windowMs }): PoolBounds => ({
    minContainers: min,
    maxContainers: min + extra,
    bufferContainers: buffer,
    scaledownWindowMs: windowMs,
  }),
);
const snapshot = fc
  .record({
    backlog: fc.nat(100_000),
    running: fc.nat(5000),
    slots: fc.integer({ min: 1, max: 500 }),
    starting: fc.nat(50),
    idle: fc.array(fc.nat(200_000), { maxLength: 30 }),
    busy: fc.nat(50),
    meanInputMs: fc.option(fc.double({ min: 0.01, max: 600_000, noNaN: true }), { nil: undefined }),
    oldestWaitMs: fc.nat(100_000),
    startMs: fc.nat(20_000),
  })
  .map(({ idle, busy, ...rest }): PoolSnapshot => {
    const idleSince = idle.map((ms) => NOW - ms).sort((a, b) => a - b);
    return { ...rest, idleSince, ready: idle.length + busy, now: NOW };
  });

describe("scaling", () => {
  it("stays within its bounds, and never starts and stops at once", () => {
    fc.assert(
      fc.property(snapshot, bounds, (pool, limits) => {
        const { start, stop } = decideScaling(pool, limits);
        const existing = pool.starting + pool.ready;
        expect(Math.min(start, stop)).toBe(0);
        if (start > 0) expect(existing + start).toBeLessThanOrEqual(limits.maxContainers);
        if (stop > 0) expect(existing - stop).toBeGreaterThanOrEqual(limits.minContainers);
        expect(stop).toBeLessThanOrEqual(pool.idleSince.length);
      }),
    );
  });

  it("starts something for a backlog that nothing serves", () => {
    fc.assert(
      fc.property(snapshot, bounds, (pool, limits) => {
        const { start } = decideScaling({ ...pool, backlog: pool.backlog + 1, starting: 0, ready: 0, idleSince: [] }, limits);
        expect(start).toBeGreaterThan(0);
      }),
    );
  });

  it("starts no more containers than there are inputs to fill them with", () => {
    fc.assert(
      fc.property(snapshot, bounds, (pool, limits) => {
        const { start } = decideScaling(pool, { ...limits, minContainers: 0, bufferContainers: 0 });
        expect(start).toBeLessThanOrEqual(Math.ceil((pool.backlog + pool.running) / pool.slots));
      }),
    );
  });

  it("stops only what has been idle for its whole window", () => {
    fc.assert(
      fc.property(snapshot, bounds, (pool, limits) => {
        const { stop } = decideScaling(pool, limits);
        for (const since of pool.idleSince.slice(0, stop)) expect(NOW - since).toBeGreaterThanOrEqual(limits.scaledownWindowMs);
      }),
    );
  });

  it("looks again while something waits or will expire, and never in the past", () => {
    fc.assert(
      fc.property(snapshot, bounds, (pool, limits) => {
        const { againAt, start, stop } = decideScaling(pool, limits);
        if (againAt !== undefined) expect(againAt).toBeGreaterThan(NOW);
        if (pool.backlog > 0 && pool.ready > 0) expect(againAt).toBeDefined();
        const left = pool.starting + pool.ready - stop;
        if (start === 0 && pool.idleSince.length > stop && left > wantedContainers(pool, limits)) expect(againAt).toBeDefined();
      }),
    );
  });

  it("gives every input a slot while nothing is known of how long inputs take", () => {
    const pool = { backlog: 10, running: 0, slots: 1, starting: 0, ready: 0, idleSince: [], meanInputMs: undefined };
    const rest = { oldestWaitMs: 0, startMs: 300, now: NOW };
    const limits = { minContainers: 0, maxContainers: 100, bufferContainers: 0, scaledownWindowMs: 60_000 };
    expect(decideScaling({ ...pool, ...rest }, limits).start).toBe(10);
    expect(decideScaling({ ...pool, ...rest }, { ...limits, maxContainers: 3 }).start).toBe(3);
  });

  it("adds no container for what one does before another is up, unless it waits too long", () => {
    const quick = { backlog: 100, running: 1, slots: 1, starting: 0, ready: 1, idleSince: [], meanInputMs: 1, startMs: 300, now: NOW };
    const limits = { minContainers: 0, maxContainers: 100, bufferContainers: 0, scaledownWindowMs: 60_000 };
    expect(decideScaling({ ...quick, oldestWaitMs: 0 }, limits).start).toBe(0);
    expect(decideScaling({ ...quick, oldestWaitMs: 1000 }, limits).start).toBe(99);
  });

  it("waits longer after each failed start, and then no more", () => {
    const delays = Array.from({ length: MAX_START_ATTEMPTS }, (_, at) => startRetryDelayMs(at + 1));
    expect(delays).toEqual([200, 600, undefined]);
  });
});
