import { create, type MessageInitShape, type Schedule, ScheduleSchema } from "@lydian/protocol";
import { describe, expect, it } from "vitest";
import { checkSchedule } from "./check-schedule.ts";

type Parts = MessageInitShape<typeof ScheduleSchema>["scheduleOneof"];
const wire = (scheduleOneof: Parts): Schedule => create(ScheduleSchema, { scheduleOneof } as MessageInitShape<typeof ScheduleSchema>);

describe("checkSchedule", () => {
  it.each<Parts>([
    { case: "cron", value: { cronString: "0 9 * * *" } },
    { case: "cron", value: { cronString: "0 0 29 2 *", timezone: "Europe/Berlin" } },
    { case: "period", value: { seconds: 1.5 } },
    { case: "period", value: { years: 1, days: 1 } },
  ])("passes %j", (parts) => checkSchedule(wire(parts), "tick"));

  it("passes no schedule", () => checkSchedule(undefined, "tick"));

  it.each<[Parts, string]>([
    [
      { case: "cron", value: { cronString: "@daily" } },
      'The function "tick" has the cron expression "@daily" with 1 fields; it must have five',
    ],
    [{ case: "cron", value: { cronString: "0 25 * * *" } }, 'whose hour "25" is none of'],
    [{ case: "cron", value: { cronString: "0 0 30 2 *" } }, "whose day never comes; give a day that its months have."],
    [{ case: "cron", value: { cronString: "0 0 * * *", timezone: "Nowhere" } }, 'has the time zone "Nowhere"'],
    [{ case: "period", value: { days: -1 } }, "has a period of -1 days; it must be a whole number that is not negative."],
    [{ case: "period", value: { years: 11 } }, "has a period of 11 years; it must be from 1 second to 10 years."],
    [{ case: undefined }, "has a schedule that is neither a cron expression nor a period"],
  ])("refuses %j", (parts, message) => {
    expect(() => checkSchedule(wire(parts), "tick")).toThrow(
      expect.objectContaining({ code: "invalid_argument", message: expect.stringContaining(message) }),
    );
  });
});
