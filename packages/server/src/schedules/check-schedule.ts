import { cronFault, LydianError, periodFault, type Schedule as WireSchedule } from "@lydian/protocol";
import { scheduleOf } from "./schedule.ts";
import { timesOf } from "./times.ts";

/** Throws `invalid_argument` with the value and the rule for a schedule that cannot be kept. */
export function checkSchedule(schedule: WireSchedule | undefined, functionName: string): void {
  const fault = schedule && faultOf(schedule);
  if (fault === undefined) return;
  throw new LydianError("invalid_argument", `The function ${JSON.stringify(functionName)} has ${fault}`);
}

function faultOf(wire: WireSchedule): string | undefined {
  const { scheduleOneof } = wire;
  if (scheduleOneof.case === "period") return periodFault(scheduleOneof.value);
  const schedule = scheduleOf(wire);
  if (schedule?.kind !== "cron") return "a schedule that is neither a cron expression nor a period; give one of them, or no schedule.";
  return cronFault(schedule) ?? neverFault(schedule.expression);
}

/** In UTC, so that a time zone decides nothing here. */
function neverFault(expression: string): string | undefined {
  const shown = `the cron expression ${JSON.stringify(expression)}`;
  try {
    const first = timesOf({ kind: "cron", expression, timezone: "UTC" }, 0)(Date.now());
    return first === undefined ? `${shown}, whose day never comes; give a day that its months have.` : undefined;
  } catch (error) {
    return `${shown}, which cannot be read: ${error instanceof Error ? error.message : String(error)}`;
  }
}
