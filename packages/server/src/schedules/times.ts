// When a schedule is due: pure functions of the schedule, the deployment from which it counts, and a time.
import { Cron } from "croner";
import type { Schedule } from "./schedule.ts";

/** The first time after a given one; undefined when there is none. Never decreases as what it is given grows. */
export type FirstAfter = (after: number) => number | undefined;

const MIN_MONTH_MS = 28 * 86_400_000;

/** `since` matters to a period only. Throws for an expression that cannot be read. */
export function timesOf(schedule: Schedule, since: number): FirstAfter {
  if (schedule.kind === "period") return periodTimes(schedule.months, schedule.ms, since);
  const cron = new Cron(schedule.expression, { timezone: schedule.timezone, mode: "5-part", paused: true });
  return (after) => cron.nextRun(new Date(after))?.getTime();
}

/** Whole periods from `since`, each reckoned from there: a 31st that a month lacks does not move the later ones. */
function periodTimes(months: number, ms: number, since: number): FirstAfter {
  const timeOf = (count: number) => addMonths(since, count * months) + count * ms;
  return (after) => {
    let low = 0;
    let high = Math.max(1, Math.ceil((after - since) / (months * MIN_MONTH_MS + ms)) + 1);
    // timeOf(low) is not after it, or no period has passed yet; timeOf(high) is.
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2);
      if (timeOf(middle) > after) high = middle;
      else low = middle;
    }
    return timeOf(high);
  };
}

/** By the calendar of UTC; a day that the month lacks is its last one. */
function addMonths(at: number, months: number): number {
  if (months === 0) return at;
  const date = new Date(at);
  const day = date.getUTCDate();
  date.setUTCDate(1);
  date.setUTCMonth(date.getUTCMonth() + months);
  const lastDay = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 0)).getUTCDate();
  date.setUTCDate(Math.min(day, lastDay));
  return date.getTime();
}

/** The last time that is due, of all from `nextAt` to `now`: the one firing that is made when several were missed. `nextAt` is at most `now`. */
export function latestDue(firstAfter: FirstAfter, nextAt: number, now: number): number {
  let latest = nextAt;
  let high = now;
  // Nothing is due after `high`, so the search needs no list of what was missed, however long the server was away.
  while (latest < high) {
    const middle = Math.floor((latest + high) / 2);
    const time = firstAfter(middle);
    if (time !== undefined && time <= now) latest = time;
    else high = middle;
  }
  return latest;
}
