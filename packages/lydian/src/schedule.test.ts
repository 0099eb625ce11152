import { describe, expect, it } from "vitest";
import { InvalidError } from "./errors.ts";
import { Cron, Period, type PeriodOptions, scheduleOption } from "./schedule.ts";

const refusal = (make: () => unknown): unknown => {
  try {
    return make();
  } catch (error) {
    return error;
  }
};

describe("Cron", () => {
  it("keeps what is given, and is in UTC unless told otherwise", () => {
    expect({ ...new Cron("0 9 * * mon-fri") }).toEqual({ kind: "cron", expression: "0 9 * * mon-fri", timezone: "UTC" });
    expect(new Cron("* * * * *", { timezone: "Europe/Berlin" }).timezone).toBe("Europe/Berlin");
  });

  it.each<[unknown, string | undefined, string]>([
    ["@daily", undefined, 'This Cron has the cron expression "@daily" with 1 fields; it must have five: minute, hour,'],
    ["0 0 9 * * *", undefined, "with 6 fields"],
    ["61 * * * *", undefined, 'whose minute "61" is none of'],
    ["0 9 * * *", "Berlin", 'This Cron has the time zone "Berlin"; it must be a name of the IANA database'],
    [5, undefined, 'not 5 and "UTC"'],
  ])("refuses %j in the zone %j", (expression, timezone, message) => {
    const error = refusal(() => new Cron(expression as string, timezone === undefined ? {} : { timezone }));
    expect(error).toBeInstanceOf(InvalidError);
    expect(error).toMatchObject({ message: expect.stringContaining(message) });
  });
});

describe("Period", () => {
  it("completes what is left out", () => {
    expect(new Period({ hours: 6, seconds: 0.5 }).parts).toEqual({
      years: 0,
      months: 0,
      weeks: 0,
      days: 0,
      hours: 6,
      minutes: 0,
      seconds: 0.5,
    });
  });

  it.each<[object, string]>([
    [{}, "This Period has a period of 0 seconds; it must be from 1 second to 10 years."],
    [{ years: 11 }, "a period of 11 years"],
    [{ days: 0.5 }, "a period of 0.5 days; it must be a whole number that is not negative."],
    [{ minutes: "5" }, "a period of 5 minutes; it must be a whole number"],
    [{ day: 1 }, 'A Period has no "day"; it has years, months, weeks, days, hours, minutes, seconds.'],
  ])("refuses %j", (options, message) => {
    const error = refusal(() => new Period(options as PeriodOptions));
    expect(error).toBeInstanceOf(InvalidError);
    expect(error).toMatchObject({ message: expect.stringContaining(message) });
  });
});

describe("the option", () => {
  it("is a schedule of any copy of the package, or absent", () => {
    const foreign = { kind: "cron", expression: "* * * * *", timezone: "UTC" };
    expect(scheduleOption(foreign)).toBe(foreign);
    expect(scheduleOption(undefined)).toBeUndefined();
  });

  it.each(["0 9 * * *", null, 5, {}])("refuses %j", (value) => {
    expect(() => scheduleOption(value)).toThrow(`\`schedule\` is ${JSON.stringify(value)}; it must be a Cron or a Period`);
  });
});
