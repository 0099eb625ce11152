import { cronFault, PERIOD_UNITS, type PeriodParts, periodFault } from "@lydian/protocol/core";
import { InvalidError } from "./errors.ts";
import { showValue } from "./show-value.ts";

export interface CronOptions {
  /** A name of the IANA database, e.g. "Europe/Berlin". Default "UTC". */
  readonly timezone?: string;
}

/** Each a whole number, but for the seconds. Together from 1 second to 10 years. */
export type PeriodOptions = { readonly [Unit in keyof PeriodParts]?: number };

/**
 * Times of the clock: minute, hour, day of the month, month, day of the week.
 *
 * @example
 * app.function({ schedule: new Cron("15 2 * * *", { timezone: "Europe/Berlin" }) }, async () => cleanUp());
 */
export class Cron {
  readonly kind = "cron";
  readonly expression: string;
  readonly timezone: string;

  /** Throws InvalidError for an expression or a time zone that is none. */
  constructor(expression: string, { timezone = "UTC" }: CronOptions = {}) {
    if (typeof expression !== "string" || typeof timezone !== "string")
      throw new InvalidError(
        `A Cron takes two texts, an expression and a time zone, not ${showValue(expression)} and ${showValue(timezone)}.`,
      );
    const fault = cronFault({ expression, timezone });
    if (fault !== undefined) throw new InvalidError(`This Cron has ${fault}`);
    this.expression = expression;
    this.timezone = timezone;
  }
}

/**
 * Every so often, counted from the deployment: the first time is one period after it. Months and years follow the calendar of UTC.
 *
 * @example
 * app.function({ schedule: new Period({ hours: 6 }) }, async () => report());
 */
export class Period {
  readonly kind = "period";
  readonly parts: PeriodParts;

  /** Throws InvalidError for a number that cannot be, or a period that is too short or too long. */
  constructor(options: PeriodOptions) {
    for (const unit of Object.keys(options)) {
      if (!(PERIOD_UNITS as readonly string[]).includes(unit))
        throw new InvalidError(`A Period has no ${showValue(unit)}; it has ${PERIOD_UNITS.join(", ")}.`);
    }
    const { years = 0, months = 0, weeks = 0, days = 0, hours = 0, minutes = 0, seconds = 0 } = options;
    this.parts = { years, months, weeks, days, hours, minutes, seconds };
    const fault = periodFault(this.parts);
    if (fault !== undefined) throw new InvalidError(`This Period has ${fault}`);
  }
}

/** Known by its shape: the command line and the user's program may each have a copy of this package. */
export function scheduleOption(schedule: unknown): Cron | Period | undefined {
  if (schedule === undefined) return undefined;
  const kind = typeof schedule === "object" && schedule !== null && "kind" in schedule ? schedule.kind : undefined;
  if (kind === "cron" || kind === "period") return schedule as Cron | Period;
  throw new InvalidError(
    `\`schedule\` is ${showValue(schedule)}; it must be a Cron or a Period, e.g. new Cron("0 9 * * *") or new Period({ hours: 1 }).`,
  );
}
