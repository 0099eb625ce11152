import { copyFileSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create, DataFormat, decodePayload, FunctionSchema$ } from "@lydian/protocol";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { noArguments } from "../calls/no-arguments.ts";
import { type Schedule, scheduledOf } from "./schedule.ts";
import { functionOf, iso, Life, START, settled, TurnedClock } from "./test-life.ts";

const SECOND = 1_000;
const HOUR = 3_600_000;
const DAY = 24 * HOUR;

let dir: string;
let clock: TurnedClock;
let apps: Set<string>;
let life: Life;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "lydian-schedules-"));
  clock = new TurnedClock();
  apps = new Set(["ap-1"]);
  life = new Life(dir, clock, apps);
});
afterEach(() => {
  life.end();
  rmSync(dir, { recursive: true, force: true });
});

/** Another life on what is on the disk now, after `ms`. The one before is killed: nobody is told anything. */
async function killed(ms = 0): Promise<void> {
  const other = mkdtempSync(join(tmpdir(), "lydian-schedules-"));
  for (const name of ["db", "db-wal"]) if (existsSync(join(dir, name))) copyFileSync(join(dir, name), join(other, name));
  life.end();
  rmSync(dir, { recursive: true });
  dir = other;
  clock.sleep(ms);
  life = new Life(dir, clock, apps);
  await clock.advance(0);
}

const every = (ms: number): Schedule => ({ kind: "period", months: 0, ms });
const cron = (expression: string, timezone = "UTC"): Schedule => ({ kind: "cron", expression, timezone });
const deploy = (schedule: Schedule, functionId = "fu-1") => life.schedules.sync("ap-1", [{ functionId, schedule }], clock.now());

describe("a schedule", () => {
  it("fires at its times, each by one call without arguments", async () => {
    await deploy(cron("30 * * * *"));
    await clock.advance(2 * HOUR);
    expect(life.fired()).toEqual(["2026-01-01T12:30:00.000Z", "2026-01-01T13:30:00.000Z"]);
    const rows = life.database.prepare("SELECT kind, invocation, closed, args, format FROM calls").all<{ args: Uint8Array }>();
    expect(rows).toHaveLength(2);
    expect(rows[0]).toMatchObject({ kind: 1, invocation: 3, closed: 1, format: DataFormat.CBOR });
    expect(decodePayload(rows[0]?.args ?? new Uint8Array())).toEqual([[], {}]);
  });

  it("fires also while the call before is unfinished", async () => {
    await deploy(every(SECOND));
    await clock.advance(3 * SECOND);
    expect(life.fired()).toHaveLength(3);
    expect(life.calls.lane("fu-1").outstanding).toBe(3);
  });

  it("waits longer than a timer of Node can hold", async () => {
    await deploy(cron("0 0 1 6 *"));
    await clock.advance(150 * DAY);
    expect(life.fired()).toEqual([]);
    await clock.advance(DAY);
    expect(life.fired()).toEqual(["2026-06-01T00:00:00.000Z"]);
    expect(clock.longestMs).toBeLessThan(2 ** 31);
  });

  it("of several functions is one timer's matter, each at its own times", async () => {
    await life.schedules.sync(
      "ap-1",
      [
        { functionId: "fu-1", schedule: every(40 * SECOND) },
        { functionId: "fu-2", schedule: every(60 * SECOND) },
      ],
      clock.now(),
    );
    await clock.advance(120 * SECOND);
    expect([life.fired("fu-1").length, life.fired("fu-2").length]).toEqual([3, 2]);
  });

  it("goes on when a call cannot be opened, and says so", async () => {
    life.end();
    life = new Life(dir, clock, apps, 1);
    await deploy(every(SECOND));
    await clock.advance(2 * SECOND);
    expect(life.fired()).toHaveLength(1);
    expect(life.log.join("\n")).toMatch(/fu-1 could not be called at 2026-01-01T12:00:02.000Z, as its schedule says: .*not done/);
    expect(life.store.all()[0]?.next_at).toBe(START + 3 * SECOND);
  });
});

describe("a deployment", () => {
  it("begins periods anew, one period before their first firing, and leaves cron expressions as they are", async () => {
    await deploy(every(HOUR));
    await clock.advance(0.9 * HOUR);
    await deploy(every(HOUR));
    await clock.advance(0.9 * HOUR);
    expect(life.fired()).toEqual([]);
    await clock.advance(0.1 * HOUR);
    expect(life.fired()).toEqual([iso(START + 1.9 * HOUR)]);
    await deploy(cron("0 18 * * *"));
    const [before] = life.store.all();
    await clock.advance(HOUR);
    await deploy(cron("0 18 * * *"));
    expect(life.store.all()).toEqual([before]);
    await clock.advance(DAY);
    expect(life.fired().slice(1)).toEqual(["2026-01-01T18:00:00.000Z"]);
  });

  it("that is told of again changes nothing, and makes up what it was not told in time", async () => {
    const entries = [{ functionId: "fu-1", schedule: every(HOUR) }];
    await life.schedules.sync("ap-1", entries, START);
    await clock.advance(0.9 * HOUR);
    await life.schedules.sync("ap-1", entries, START);
    await clock.advance(0.1 * HOUR);
    expect(life.fired()).toEqual([iso(START + HOUR)]);
    await life.schedules.sync("ap-1", [...entries, { functionId: "fu-2", schedule: every(0.5 * HOUR) }], START);
    await clock.advance(0);
    expect(life.fired("fu-2")).toEqual([iso(START + HOUR)]);
  });

  it("replaces what was changed and removes what it does not name, of its own app only", async () => {
    await life.schedules.sync("ap-2", [{ functionId: "fu-2", schedule: every(HOUR) }], clock.now());
    await deploy(cron("30 * * * *"));
    await deploy(cron("45 * * * *"));
    await clock.advance(0.8 * HOUR);
    expect(life.fired()).toEqual(["2026-01-01T12:45:00.000Z"]);
    await life.schedules.sync("ap-1", [], clock.now());
    await clock.advance(DAY);
    expect(life.fired()).toHaveLength(1);
    expect(life.store.all().map(({ function_id }) => function_id)).toEqual(["fu-2"]);
  });

  it("is obeyed also when it comes while a firing is under way", async () => {
    await deploy(every(SECOND));
    let release: (error: Error) => void = () => {};
    life.instead = () =>
      new Promise((_, reject) => {
        release = reject;
      });
    await clock.advance(SECOND);
    life.instead = undefined;
    await deploy(every(HOUR));
    release(new Error("late"));
    await clock.advance(10 * SECOND);
    expect(life.fired()).toEqual([]);
    expect(life.store.all()[0]?.next_at).toBe(START + SECOND + HOUR);
  });

  it("that is followed by the app's end leaves nothing, in whatever turn they come", async () => {
    await Promise.all([deploy(every(SECOND)), life.schedules.drop("ap-1")]);
    expect(life.schedules.size).toBe(0);
    await deploy(every(SECOND));
    await life.schedules.drop("ap-1");
    await clock.advance(HOUR);
    expect(life.fired()).toEqual([]);
    expect(life.store.all()).toEqual([]);
  });
});

describe("after a restart", () => {
  it("the phase goes on, and what was due meanwhile is made up by the latest firing alone", async () => {
    await deploy(every(HOUR));
    await clock.advance(HOUR);
    await killed(5.5 * HOUR);
    expect(life.fired()).toEqual([iso(START + HOUR), iso(START + 6 * HOUR)]);
    expect(life.log.join("\n")).toContain(
      "missed firings from 2026-01-01T14:00:00.000Z on; only that of 2026-01-01T18:00:00.000Z is made up",
    );
    await clock.advance(HOUR);
    expect(life.fired().at(-1)).toBe(iso(START + 7 * HOUR));
    expect(life.fired()).toHaveLength(3);
  });

  it("nothing is made up when nothing was missed", async () => {
    await deploy(cron("0 18 * * *"));
    await killed(HOUR);
    expect([life.fired(), life.log]).toEqual([[], []]);
    await clock.advance(5 * HOUR);
    expect(life.fired()).toEqual(["2026-01-01T18:00:00.000Z"]);
  });

  it("schedules of an app that has stopped are gone", async () => {
    await deploy(every(HOUR));
    apps.clear();
    await killed(2 * HOUR);
    expect([life.fired(), life.store.all(), life.schedules.size]).toEqual([[], [], 0]);
  });

  it("an unreadable schedule stops nothing else", async () => {
    await deploy(every(HOUR));
    await life.database.commit(() =>
      life.database
        .prepare("INSERT INTO schedules VALUES ('fu-2', 'ap-1', ?, 0, 0)")
        .run(JSON.stringify({ kind: "cron", expression: "x", timezone: "UTC" })),
    );
    await killed(HOUR);
    expect(life.fired()).toHaveLength(1);
    expect(life.log.join("\n")).toContain("of the function fu-2 cannot be kept");
  });
});

describe("a kill fires nothing twice and loses no firing", () => {
  const never = () => new Promise<never>(() => undefined);

  it.each([0, 30 * SECOND])("before the call is durable (%i ms away)", async (away) => {
    await deploy(every(HOUR));
    life.instead = never;
    await clock.advance(HOUR);
    await killed(away);
    expect(life.fired()).toEqual([iso(START + HOUR)]);
    await clock.advance(HOUR);
    expect(life.fired()).toEqual([iso(START + HOUR), iso(START + 2 * HOUR)]);
  });

  it.each([0, 30 * SECOND])("between the call and the next time (%i ms away)", async (away) => {
    await deploy(every(HOUR));
    life.store.advance = never;
    await clock.advance(HOUR);
    expect(life.store.all()[0]?.next_at).toBe(START + HOUR);
    await killed(away);
    expect(life.fired()).toEqual([iso(START + HOUR)]);
    await clock.advance(HOUR);
    expect(life.fired()).toEqual([iso(START + HOUR), iso(START + 2 * HOUR)]);
  });

  it("between the call and the next time, also when the call is so old that the start deletes it", async () => {
    await deploy(every(365 * DAY));
    life.store.advance = never;
    await clock.advance(365 * DAY);
    await life.calls.failQueued("fu-1", { status: 2 }, DataFormat.CBOR);
    await settled();
    await killed(30 * DAY);
    expect(life.calls.lane("fu-1").outstanding).toBe(0);
    expect(life.fired().length).toBeLessThanOrEqual(1);
    expect(life.store.all()[0]?.next_at).toBe(START + 730 * DAY);
  });

  it("after the next time", async () => {
    await deploy(every(HOUR));
    await clock.advance(HOUR);
    await killed();
    expect(life.fired()).toEqual([iso(START + HOUR)]);
  });
});

describe("what a firing sends", () => {
  it("is CBOR for our runtime, and a pickle for the official one", () => {
    const python = noArguments(create(FunctionSchema$, {}));
    expect(python.dataFormat).toBe(DataFormat.PICKLE);
    expect(Buffer.from(python.argsOneof.value as Uint8Array).toString("latin1")).toBe("\x80\x04\x95\x06\0\0\0\0\0\0\0)}\x94\x86\x94.");
  });
});

describe("scheduledOf", () => {
  it("picks the functions with a schedule, and reads it", () => {
    const fn = (id: string, schedule: object) => ({
      ...functionOf("fu-1"),
      id,
      definition: create(FunctionSchema$, schedule),
    });
    const picked = scheduledOf([
      fn("fu-1", {}),
      fn("fu-2", { schedule: { scheduleOneof: { case: "cron", value: { cronString: " 0  9 * * *" } } } }),
      fn("fu-3", {
        schedule: { scheduleOneof: { case: "period", value: { years: 1, months: 2, weeks: 1, days: 1, minutes: 1, seconds: 0.1 } } },
      }),
    ]);
    expect(picked).toEqual([
      { functionId: "fu-2", schedule: { kind: "cron", expression: "0 9 * * *", timezone: "UTC" } },
      { functionId: "fu-3", schedule: { kind: "period", months: 14, ms: 8 * DAY + 60_100 } },
    ]);
  });
});
