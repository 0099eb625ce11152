// What a schedule may be, said once: the SDK refuses with these words where it is written, the server for every other client.

export interface CronParts {
  /** Minute, hour, day of the month, month, day of the week. */
  readonly expression: string;
  /** A name of the IANA database. */
  readonly timezone: string;
}

export interface PeriodParts {
  readonly years: number;
  readonly months: number;
  readonly weeks: number;
  readonly days: number;
  readonly hours: number;
  readonly minutes: number;
  /** The only one that may be a fraction. */
  readonly seconds: number;
}

export const PERIOD_UNITS = ["years", "months", "weeks", "days", "hours", "minutes", "seconds"] as const satisfies (keyof PeriodParts)[];

interface Field {
  readonly what: string;
  readonly min: number;
  readonly max: number;
  /** The first of them stands for `min`. */
  readonly names: readonly string[];
}

const MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
const FIELDS: readonly Field[] = [
  { what: "minute", min: 0, max: 59, names: [] },
  { what: "hour", min: 0, max: 23, names: [] },
  { what: "day of the month", min: 1, max: 31, names: [] },
  { what: "month", min: 1, max: 12, names: MONTHS },
  // 0 and 7 are both Sunday.
  { what: "day of the week", min: 0, max: 7, names: DAYS },
];
const NAMES_OF_FIELDS = FIELDS.map(({ what }) => what).join(", ");
const MAX_SHOWN = 200;

const SECONDS: PeriodParts = {
  years: 366 * 86_400,
  months: 31 * 86_400,
  weeks: 7 * 86_400,
  days: 86_400,
  hours: 3_600,
  minutes: 60,
  seconds: 1,
};
const MIN_PERIOD_SECONDS = 1;
const MAX_PERIOD_YEARS = 10;

/** What is wrong with it, to go after "has"; undefined when nothing is. Whether its days ever come is not looked at. */
export function cronFault({ expression, timezone }: CronParts): string | undefined {
  const fields = expression.trim().split(/\s+/);
  const shown = `the cron expression ${quoted(expression)}`;
  if (fields.length !== FIELDS.length || fields[0] === "") {
    const count = fields[0] === "" ? 0 : fields.length;
    return `${shown} with ${count} fields; it must have five: ${NAMES_OF_FIELDS}.`;
  }
  for (const [at, field] of FIELDS.entries()) {
    const fault = fieldFault(fields[at] ?? "", field);
    if (fault !== undefined) return `${shown}, whose ${field.what} ${fault}`;
  }
  if (!isTimezone(timezone))
    return `the time zone ${quoted(timezone)}; it must be a name of the IANA database, e.g. "Europe/Berlin" or "UTC".`;
  return undefined;
}

/** What is wrong with it, to go after "has"; undefined when nothing is. */
export function periodFault(period: PeriodParts): string | undefined {
  let total = 0;
  for (const unit of PERIOD_UNITS) {
    const value = period[unit];
    if (!(Number.isFinite(value) && value >= 0 && (unit === "seconds" || Number.isInteger(value))))
      return `a period of ${String(value)} ${unit}; it must be ${unit === "seconds" ? "a" : "a whole"} number that is not negative.`;
    total += value * SECONDS[unit];
  }
  if (total >= MIN_PERIOD_SECONDS && total <= MAX_PERIOD_YEARS * SECONDS.years) return undefined;
  return `a period of ${periodText(period)}; it must be from ${MIN_PERIOD_SECONDS} second to ${MAX_PERIOD_YEARS} years.`;
}

function periodText(period: PeriodParts): string {
  const parts = PERIOD_UNITS.flatMap((unit) => (period[unit] === 0 ? [] : [`${period[unit]} ${unit}`]));
  return parts.length === 0 ? "0 seconds" : parts.join(", ");
}

function fieldFault(text: string, field: Field): string | undefined {
  for (const item of text.split(",")) {
    const fault = itemFault(item, field);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

function itemFault(item: string, field: Field): string | undefined {
  const { min, max } = field;
  const match = /^(?:\*|(\w+)(?:-(\w+))?)(?:\/(\d+))?$/.exec(item);
  const [, first, last, step] = match ?? [];
  const from = first === undefined ? min : numberOf(first, field);
  const to = last === undefined ? from : numberOf(last, field);
  if (match === null || from === undefined || to === undefined) {
    const names = field.names.length === 0 ? "" : `, ${field.names[0]} to ${field.names.at(-1)}`;
    return `${quoted(item)} is none of: *, a number from ${min} to ${max}${names}, a range like ${min}-${max}, or one of these with a step like */2.`;
  }
  if (to < from) return `${quoted(item)} is a range that ends before it begins; write it as two.`;
  if (step === undefined) return undefined;
  if (first !== undefined && last === undefined) return `${quoted(item)} steps from a single number; write ${first}-${max}/${step}.`;
  const most = max - min;
  return Number(step) >= 1 && Number(step) <= most ? undefined : `${quoted(item)} has the step ${step}; it must be from 1 to ${most}.`;
}

function numberOf(text: string, { min, max, names }: Field): number | undefined {
  const named = names.indexOf(text.toLowerCase());
  const value = named >= 0 ? named + min : /^\d{1,2}$/.test(text) ? Number(text) : Number.NaN;
  return value >= min && value <= max ? value : undefined;
}

function isTimezone(name: string): boolean {
  // The default; asking costs a container's start some milliseconds.
  if (name === "UTC") return true;
  // Some versions of Node know offsets like "+02:00" as zones, some do not.
  if (!/^[A-Za-z]/.test(name)) return false;
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

const quoted = (text: string): string => JSON.stringify(text.slice(0, MAX_SHOWN));
