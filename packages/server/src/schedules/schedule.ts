// A schedule as it is kept and reckoned with. The wire's message has more ways to say the same.
import type { Schedule as WireSchedule } from "@lydian/protocol";
import type { CalledFunction } from "../calls/functions-port.ts";

export type Schedule =
  | { readonly kind: "cron"; readonly expression: string; readonly timezone: string }
  /** Months by the calendar, then milliseconds. */
  | { readonly kind: "period"; readonly months: number; readonly ms: number };

export interface ScheduledFunction {
  readonly functionId: string;
  readonly schedule: Schedule;
}

const DEFAULT_TIMEZONE = "UTC";
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** Undefined when the message says none. To be called with what `checkSchedule` passed. */
export function scheduleOf({ scheduleOneof }: WireSchedule): Schedule | undefined {
  if (scheduleOneof.case === "cron") {
    const { cronString, timezone } = scheduleOneof.value;
    return { kind: "cron", expression: cronString.trim().split(/\s+/).join(" "), timezone: timezone || DEFAULT_TIMEZONE };
  }
  if (scheduleOneof.case !== "period") return undefined;
  const { years, months, weeks, days, hours, minutes, seconds } = scheduleOneof.value;
  const ms = (weeks * 7 + days) * DAY_MS + hours * HOUR_MS + minutes * MINUTE_MS + Math.round(seconds * 1000);
  return { kind: "period", months: years * 12 + months, ms };
}

/** Those of the published functions that are to be called by themselves while their app is deployed. */
export function scheduledOf(functions: readonly CalledFunction[]): ScheduledFunction[] {
  return functions.flatMap(({ id, definition }) => {
    const schedule = definition.schedule && scheduleOf(definition.schedule);
    return schedule === undefined ? [] : [{ functionId: id, schedule }];
  });
}
