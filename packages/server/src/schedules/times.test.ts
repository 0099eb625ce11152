import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Schedule } from "./schedule.ts";
import { type FirstAfter, latestDue, timesOf } from "./times.ts";

const MINUTE = 60_000;
const DAY = 86_400_000;
const at = (iso: string) => new Date(iso).getTime();
const cron = (expression: string, timezone = "UTC") => timesOf({ kind: "cron", expression, timezone }, 0);
const period = (months: number, ms: number, since: number) => timesOf({ kind: "period", months, ms }, since);

/** The first `count` times after one. */
function times(firstAfter: FirstAfter, after: number, count: number): number[] {
  const found: number[] = [];
  for (let last: number | undefined = after; found.length < count; ) {
    last = firstAfter(last);
    if (last === undefined) break;
    found.push(last);
  }
  return found;
}
const isos = (firstAfter: FirstAfter, after: string, count: number) =>
  times(firstAfter, at(after), count).map((time) => new Date(time).toISOString().slice(0, 16));

const anyTime = fc.integer({ min: at("2024-01-01"), max: at("2031-01-01") });
/** Near the changes of clocks, where it matters. */
const nearChange = fc
  .tuple(
    fc.constantFrom("2026-03-29T01:00Z", "2026-10-25T01:00Z", "2026-03-08T07:00Z", "2026-11-01T06:00Z", "2026-10-03T15:30Z"),
    fc.integer({ min: -DAY, max: DAY }),
  )
  .map(([change, offset]) => at(change) + offset);
const zone = fc.constantFrom("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata");
const expression = fc.constantFrom(
  "* * * * *",
  "*/7 * * * *",
  "30 2 * * *",
  "0,30 1-3 * * *",
  "15 * * * *",
  "0 0 * * 0",
  "59 23 31 12 *",
  "0 9 1 * mon",
);
const schedule: fc.Arbitrary<Schedule> = fc.oneof(
  fc.record({ kind: fc.constant("cron" as const), expression, timezone: zone }),
  fc.record({
    kind: fc.constant("period" as const),
    months: fc.integer({ min: 0, max: 30 }),
    ms: fc.integer({ min: 1_000, max: 40 * DAY }),
  }),
);

describe("the times of any schedule", () => {
  it("come after the given one, and never go back as that grows", () => {
    fc.assert(
      fc.property(schedule, anyTime, fc.oneof(anyTime, nearChange), fc.integer({ min: 0, max: 3 * DAY }), (what, since, after, more) => {
        const firstAfter = timesOf(what, since);
        const [first, second] = [firstAfter(after), firstAfter(after + more)];
        expect(first).toBeGreaterThan(after);
        expect(second).toBeGreaterThanOrEqual(first ?? Number.NaN);
        // What comes before the first one has the same first one.
        expect(firstAfter(Math.max(after, (first ?? 0) - 1))).toBe(first);
      }),
    );
  });

  it("give the latest that is due, as if all that were missed had been looked at", () => {
    fc.assert(
      fc.property(
        schedule,
        anyTime,
        fc.oneof(anyTime, nearChange),
        fc.integer({ min: 0, max: 50 }),
        fc.nat(),
        (what, since, after, missed, extra) => {
          const firstAfter = timesOf(what, since);
          const all = times(firstAfter, after, missed + 2);
          const [last = 0, next = 0] = all.slice(missed);
          const now = last + (extra % (next - last));
          expect(latestDue(firstAfter, all[0] ?? 0, now)).toBe(last);
        },
      ),
    );
  });
});

describe("the times of a cron expression", () => {
  it("are the minutes that match it, in UTC", () => {
    const numbers = (max: number) => fc.uniqueArray(fc.integer({ min: 0, max }), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(numbers(59), numbers(23), numbers(6), anyTime, (minutes, hours, days, after) => {
        const first = cron(`${minutes} ${hours} * * ${days}`)(after);
        let expected = Math.floor(after / MINUTE) * MINUTE + MINUTE;
        const matches = (date: Date) =>
          minutes.includes(date.getUTCMinutes()) && hours.includes(date.getUTCHours()) && days.includes(date.getUTCDay());
        while (!matches(new Date(expected))) expected += MINUTE;
        expect(first).toBe(expected);
      }),
      { numRuns: 50 },
    );
  });

  it("have a day of the month or a day of the week, when both are given", () => {
    expect(isos(cron("0 0 13 * fri"), "2026-02-01", 4)).toEqual([
      "2026-02-06T00:00",
      "2026-02-13T00:00",
      "2026-02-20T00:00",
      "2026-02-27T00:00",
    ]);
  });

  it("are one a day with one hour and one minute: right after a jump of the clock, and the first of two", () => {
    expect(isos(cron("30 2 * * *", "Europe/Berlin"), "2026-03-28T12:00Z", 2)).toEqual(["2026-03-29T01:00", "2026-03-30T00:30"]);
    expect(isos(cron("30 2 * * *", "Europe/Berlin"), "2026-10-24T12:00Z", 2)).toEqual(["2026-10-25T00:30", "2026-10-26T01:30"]);
  });

  it("follow the clock when there are several a day: none in a jump, and two where it shows a time twice", () => {
    const gap = (expression: string, count: number) => isos(cron(expression, "Europe/Berlin"), "2026-03-29T00:15Z", count);
    expect(gap("0,30 2 * * *", 2)).toEqual(["2026-03-30T00:00", "2026-03-30T00:30"]);
    expect(gap("30 1-3 * * *", 2)).toEqual(["2026-03-29T00:30", "2026-03-29T01:30"]);
    expect(gap("*/30 * * * *", 3)).toEqual(["2026-03-29T00:30", "2026-03-29T01:00", "2026-03-29T01:30"]);
    const twice = isos(cron("30 * * * *", "Europe/Berlin"), "2026-10-25T00:00Z", 3);
    expect(twice).toEqual(["2026-10-25T00:30", "2026-10-25T01:30", "2026-10-25T02:30"]);
  });

  it("may be years away, or never", () => {
    expect(isos(cron("0 0 29 2 *"), "2096-03-01", 1)).toEqual(["2104-02-29T00:00"]);
    expect(cron("0 0 30 2 *")(0)).toBeUndefined();
  });
});

describe("the times of a period", () => {
  it("are whole periods from the deployment, the first after one", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1_000, max: 4_000 * DAY }), anyTime, fc.nat({ max: 5_000 }), fc.nat(), (ms, since, count, rest) => {
        const firstAfter = period(0, ms, since);
        expect(firstAfter(since)).toBe(since + ms);
        expect(firstAfter(since + count * ms + (rest % ms))).toBe(since + (count + 1) * ms);
      }),
    );
  });

  it("follow the calendar in months and years, and do not move when a month is short", () => {
    expect(isos(period(1, 0, at("2026-01-31T10:00Z")), "2026-01-31T10:00Z", 4)).toEqual([
      "2026-02-28T10:00",
      "2026-03-31T10:00",
      "2026-04-30T10:00",
      "2026-05-31T10:00",
    ]);
    expect(isos(period(12, 0, at("2024-02-29Z")), "2026-03-01Z", 2)).toEqual(["2027-02-28T00:00", "2028-02-29T00:00"]);
    expect(isos(period(1, DAY, at("2026-01-31Z")), "2026-01-31Z", 3)).toEqual(["2026-03-01T00:00", "2026-04-02T00:00", "2026-05-03T00:00"]);
  });

  it("begin one period after the deployment, whatever time is asked about", () => {
    expect(period(0, 5_000, 1_000_000)(0)).toBe(1_005_000);
  });
});
