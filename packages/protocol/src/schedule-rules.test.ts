import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cronFault, type PeriodParts, periodFault } from "./schedule-rules.ts";

const cron = (expression: string, timezone = "UTC") => cronFault({ expression, timezone });
const NOTHING: PeriodParts = { years: 0, months: 0, weeks: 0, days: 0, hours: 0, minutes: 0, seconds: 0 };
const period = (parts: Partial<PeriodParts>) => periodFault({ ...NOTHING, ...parts });

describe("a cron expression", () => {
  it.each([
    "* * * * *",
    "0 9 * * *",
    "*/15 0-23/2 1,15 * 1-5",
    "0 0 29 2 *",
    "59 23 31 12 7",
    "0 9 * JAN,feb Mon-Fri",
    "  5  4 * * sun ",
    "0-10/3 * * * *",
  ])("passes as %j", (expression) => expect(cron(expression)).toBeUndefined());

  it.each([
    ["", "with 0 fields; it must have five: minute, hour, day of the month, month, day of the week."],
    ["0 9 * *", "with 4 fields"],
    ["0 0 9 * * *", "with 6 fields"],
    ["@daily", "with 1 fields"],
    ["60 * * * *", 'whose minute "60" is none of: *, a number from 0 to 59, a range like 0-59, or one of these with a step like */2.'],
    ["* 24 * * *", 'whose hour "24"'],
    ["* * 0 * *", 'whose day of the month "0"'],
    ["* * * 13 *", 'whose month "13" is none of: *, a number from 1 to 12, jan to dec,'],
    ["* * * * 8", 'whose day of the week "8"'],
    ["* * L * *", 'whose day of the month "L"'],
    ["* * 15W * *", 'whose day of the month "15W"'],
    ["* * ? * *", 'whose day of the month "?"'],
    ["* * * * mon#2", 'whose day of the week "mon#2"'],
    ["1, * * * *", 'whose minute ""'],
    ["-5 * * * *", 'whose minute "-5"'],
    ["5/15 * * * *", 'whose minute "5/15" steps from a single number; write 5-59/15.'],
    ["*/0 * * * *", "the step 0; it must be from 1 to 59."],
    ["*/60 * * * *", "the step 60"],
    ["30-10 * * * *", "a range that ends before it begins"],
  ])("is refused as %j, with the value and the rule", (expression, fault) => {
    expect(cron(expression)).toContain(`the cron expression ${JSON.stringify(expression)}`);
    expect(cron(expression)).toContain(fault);
  });

  it.each(["", "Mars/Olympus", "+02:00", "UTC+1x"])("is refused in the time zone %j", (timezone) => {
    expect(cron("* * * * *", timezone)).toContain(`the time zone ${JSON.stringify(timezone)}; it must be a name`);
  });

  it("has an answer for every text", () => {
    fc.assert(fc.property(fc.string(), (text) => void cron(text)));
  });
});

describe("a period", () => {
  it.each([{ seconds: 1 }, { seconds: 1.5 }, { years: 10 }, { months: 1, days: 1 }, { days: 3660 }])("passes as %j", (parts) =>
    expect(period(parts)).toBeUndefined(),
  );

  it.each<[Partial<PeriodParts>, string]>([
    [{}, "a period of 0 seconds; it must be from 1 second to 10 years."],
    [{ seconds: 0.5 }, "a period of 0.5 seconds; it must be from"],
    [{ years: 10, seconds: 1 }, "a period of 10 years, 1 seconds; it must be from"],
    [{ hours: 1.5 }, "a period of 1.5 hours; it must be a whole number that is not negative."],
    [{ days: 2, hours: -1 }, "a period of -1 hours; it must be a whole number"],
    [{ seconds: Number.NaN }, "a period of NaN seconds; it must be a number"],
    [{ seconds: Number.POSITIVE_INFINITY }, "a period of Infinity seconds"],
  ])("is refused as %j, with the value and the rule", (parts, fault) => expect(period(parts)).toContain(fault));
});
