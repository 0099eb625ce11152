// Calls and pools under everything that can go wrong at once, by chance from a seed: containers that fail, crash, run out of memory,
// hang and do not start, clients that cancel, a server that is killed. Time is the simulation's; the database is real.
import { describe, expect, it } from "vitest";
import type { Clock } from "../calls/deadlines.ts";
import { FAILURE, type Inside, message, type Program, type Rig, SUCCESS, startRig, textOf } from "./test-rig.ts";

class TurnedClock implements Clock {
  #now = 1_800_000_000_000;
  readonly #timers = new Set<{ at: number; wake: () => void }>();

  now(): number {
    return this.#now;
  }

  after(ms: number, wake: () => void): () => void {
    const timer = { at: this.#now + ms, wake };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  advance(ms: number): void {
    const until = this.#now + ms;
    for (;;) {
      let next: { at: number; wake: () => void } | undefined;
      for (const timer of this.#timers) if (timer.at <= until && (next === undefined || timer.at < next.at)) next = timer;
      if (next === undefined) break;
      this.#timers.delete(next);
      this.#now = Math.max(this.#now, next.at);
      next.wake();
    }
    this.#now = until;
  }
}

function chance(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const MAX_CONTAINERS = 3;
const SLOTS = 4;
const FAULTS = 0.25;

interface AcknowledgedCall {
  readonly id: string;
  readonly count: number;
  /** What a client has read so far, in the order of the cursor. */
  readonly seen: { idx: number; status: number; text: string }[];
  cursor: string;
}

class Simulation {
  readonly #random: () => number;
  readonly #clock = new TurnedClock();
  readonly #calls: AcknowledgedCall[] = [];
  readonly #problems: string[] = [];
  #rig: Rig | undefined;
  #faults = FAULTS;
  restarts = 0;

  constructor(seed: number) {
    this.#random = chance(seed);
  }

  async run(steps: number): Promise<void> {
    await this.#start();
    for (let step = 0; step < steps; step++) {
      await this.#step();
      await this.#settle();
    }
    this.#faults = 0;
    for (let round = 0; round < 200 && !(await this.#allRead()); round++) {
      this.#clock.advance(2000);
      await this.#settle();
    }
    await this.#check();
    let closed = false;
    const closing = this.#rig?.close().then(() => {
      closed = true;
    });
    // What is being stopped may use up its grace.
    while (!closed) {
      this.#clock.advance(1000);
      await this.#settle();
    }
    await closing;
    expect(this.#problems).toEqual([]);
  }

  async #step(): Promise<void> {
    const dice = this.#random();
    if (dice < 0.35) void this.#submit();
    else if (dice < 0.8) this.#clock.advance(Math.floor(this.#random() * 3000));
    else if (dice < 0.88) await this.#readSome();
    else if (dice < 0.93) void this.#cancelOne();
    else if (dice < 0.97) await this.#restart();
  }

  async #start(dir?: string): Promise<void> {
    const rig = await startRig({
      clock: this.#clock,
      program: this.#program,
      definition: {
        concurrencyLimit: MAX_CONTAINERS,
        maxConcurrentInputs: SLOTS,
        timeoutSecs: 20,
        startupTimeoutSecs: 10,
        retryPolicy: { retries: 2, initialDelayMs: 500, backoffCoefficient: 2, maxDelayMs: 5000 },
        autoscalerSettings: { scaledownWindow: 5 },
      },
      ...(dir !== undefined && { dir }),
    });
    this.#rig = rig;
    await rig.recover();
  }

  async #restart(): Promise<void> {
    const old = this.#rig;
    if (old === undefined) return;
    this.#checkHost(old);
    const dir = await old.crash();
    this.restarts++;
    await this.#start(dir);
  }

  async #submit(): Promise<void> {
    const rig = this.#rig;
    if (rig === undefined) return;
    const count = 1 + Math.floor(this.#random() * 8);
    try {
      const id = count === 1 ? await rig.spawn("i0") : await rig.map(Array.from({ length: count }, (_, idx) => `i${idx}`));
      // What a dead process says has not been heard.
      if (!rig.host.dead) this.#calls.push({ id, count, seen: [], cursor: "0-0" });
    } catch (error) {
      if (!rig.host.dead) this.#problems.push(`submit: ${String(error)}`);
    }
  }

  async #cancelOne(): Promise<void> {
    const rig = this.#rig;
    const call = this.#calls[Math.floor(this.#random() * this.#calls.length)];
    if (rig === undefined || call === undefined) return;
    const request = message<never>({ functionCallId: call.id, terminateContainers: this.#random() < 0.3 });
    await Promise.resolve(rig.modal.functionCallCancel?.(request, rig.client())).catch((error: unknown) => {
      if (!rig.host.dead) this.#problems.push(`cancel: ${String(error)}`);
    });
  }

  async #readSome(): Promise<void> {
    for (const call of this.#calls) if (this.#random() < 0.5) await this.#read(call);
  }

  async #read(call: AcknowledgedCall): Promise<void> {
    const page = await this.#rig?.modal.functionGetOutputs?.(
      message({ functionCallId: call.id, lastEntryId: call.cursor, maxValues: 3 }),
      this.#rig.client(),
    );
    for (const { idx = -1, result } of page?.outputs ?? []) {
      const text = result?.dataOneof?.case === "data" ? Buffer.from(result.dataOneof.value).toString() : (result?.exception ?? "");
      call.seen.push({ idx, status: result?.status ?? 0, text });
    }
    call.cursor = page?.lastEntryId ?? call.cursor;
  }

  async #allRead(): Promise<boolean> {
    for (const call of this.#calls) if (call.seen.length < call.count) await this.#read(call);
    return this.#calls.every(({ seen, count }) => seen.length >= count);
  }

  async #check(): Promise<void> {
    const rig = this.#rig;
    if (rig === undefined) return;
    this.#checkHost(rig);
    for (const call of this.#calls) {
      const idxs = call.seen.map(({ idx }) => idx).sort((a, b) => a - b);
      const all = Array.from({ length: call.count }, (_, idx) => idx);
      if (JSON.stringify(idxs) !== JSON.stringify(all)) this.#problems.push(`${call.id}: outputs ${idxs} of ${call.count}`);
      for (const { status, text } of call.seen)
        if (status === 0 || text === "") this.#problems.push(`${call.id}: an output without reason`);
      const again: AcknowledgedCall = { ...call, seen: [], cursor: "0-0" };
      while (again.seen.length < call.count) {
        const before = again.seen.length;
        await this.#read(again);
        if (again.seen.length === before) break;
      }
      if (JSON.stringify(again.seen) !== JSON.stringify(call.seen)) this.#problems.push(`${call.id}: the outputs changed`);
    }
    const lane = rig.calls.lane("fu-1");
    if (lane.outstanding !== 0 || lane.running !== 0 || lane.queue.size !== 0) {
      this.#problems.push(`left: ${lane.outstanding} outstanding, ${lane.running} running, ${lane.queue.size} queued`);
      for await (const { pools } of rig.pools.watch("ap-1")) {
        this.#problems.push(
          JSON.stringify(pools, (_, value) => (typeof value === "bigint" ? Number(value) : value)),
          ...rig.serverLog.slice(-5),
        );
        break;
      }
    }
  }

  #checkHost(rig: Rig): void {
    if (rig.host.most > MAX_CONTAINERS) this.#problems.push(`${rig.host.most} containers at once`);
  }

  /** Until nothing happens without time going on. Files, directories and commits take real time. */
  async #settle(): Promise<void> {
    const beingMade = () => [...(this.#rig?.pools.tasks() ?? [])].some(({ startedAt, finishedAt }) => startedAt === 0 && finishedAt === 0);
    for (let quiet = 0; quiet < 12; quiet++) {
      await new Promise((resolve) => setImmediate(resolve));
      if (beingMade() || (this.#rig?.committing ?? 0) > 0) quiet = 0;
    }
  }

  #sleep(ms: number, inside: Inside): Promise<void> {
    return new Promise((resolve) => {
      this.#clock.after(ms, resolve);
      inside.signal.addEventListener("abort", () => resolve(), { once: true });
    });
  }

  readonly #program: Program = async (inside) => {
    if (this.#random() < this.#faults / 2) {
      if (this.#random() < 0.3) return this.#sleep(100_000, inside);
      return inside.exit({ code: 3 });
    }
    await inside.start();
    await inside.hello();
    let running = 0;
    const beating = async () => {
      while (!inside.signal.aborted) {
        await inside.heartbeat();
        await this.#sleep(1000, inside);
      }
    };
    void beating().catch(() => undefined);
    while (!inside.signal.aborted) {
      const items = await inside.fetch(SLOTS - running);
      if (items.some((item) => item.killSwitch)) break;
      if (items.length === 0) continue;
      for (const item of items) {
        running++;
        if (running > SLOTS) this.#problems.push(`${running} inputs in a container of ${SLOTS} slots`);
        const work = async () => {
          await this.#work(item, inside);
          running--;
        };
        void work().catch(() => undefined);
      }
      while (running >= SLOTS && !inside.signal.aborted) await this.#sleep(50, inside);
    }
    while (running > 0 && !inside.signal.aborted) await this.#sleep(50, inside);
  };

  async #work(item: Parameters<typeof textOf>[0], inside: Inside): Promise<void> {
    const dice = this.#random();
    await this.#sleep(1 + Math.floor(this.#random() * 800), inside);
    if (inside.signal.aborted) return;
    if (dice < this.#faults * 0.1) return inside.exit({ code: 9 });
    if (dice < this.#faults * 0.15) return inside.exit({ signal: "SIGKILL", oomKilled: true });
    if (dice < this.#faults * 0.4) await this.#sleep(60_000, inside);
    const result =
      dice < this.#faults ? FAILURE(`failed ${textOf(item)}`, dice > this.#faults * 0.9 ? "non-retriable" : "") : SUCCESS(textOf(item));
    await inside.put([{ item, result }]);
    // The answer was lost on the way: it is sent again.
    if (dice > 0.95) await inside.put([{ item, result }]);
  }
}

describe("calls and pools by chance", () => {
  const seeds = Number(process.env.LYDIAN_SIMULATION_SEEDS ?? 25);
  const first = Number(process.env.LYDIAN_SIMULATION_FIRST ?? 1);
  for (let seed = first; seed < first + seeds; seed++) {
    it(`lose nothing and repeat nothing (seed ${seed})`, async () => {
      await new Simulation(seed).run(80);
    });
  }
});
