// Functions that are called by themselves: at times of the clock, or every so often, while their app is deployed.
//
// A firing is three steps, and the process may be killed between any two of them:
//   1. the call is opened, with the firing's time in its request key;   2. that is durable;   3. the next time is durable.
// Killed before 2, there is no call, and the time that is still stored is due at the next start. Killed before 3, it is due as
// well, and the key finds the call that is there. So no firing is lost, and none happens twice.
//
// What was missed while the server was away is made up by one firing, the latest; the others are dropped.
import { FunctionCallInvocationType } from "@lydian/protocol";
import type { Calls } from "../calls/calls.ts";
import type { Clock, Deadline, Deadlines } from "../calls/deadlines.ts";
import type { AppsPort, FunctionsPort } from "../calls/functions-port.ts";
import { noArguments } from "../calls/no-arguments.ts";
import type { Schedule, ScheduledFunction } from "./schedule.ts";
import type { ScheduleRow, ScheduleStore } from "./store.ts";
import { type FirstAfter, latestDue, timesOf } from "./times.ts";

export interface SchedulesDependencies {
  readonly store: ScheduleStore;
  readonly calls: Pick<Calls, "open">;
  readonly functions: FunctionsPort;
  readonly apps: Pick<AppsPort, "isLive">;
  /** Shared: everything that waits for a time has one timer. */
  readonly deadlines: Pick<Deadlines, "add" | "cancel">;
  readonly clock: Clock;
  readonly log: (message: string) => void;
}

/** A schedule that is waited for. It leaves the map when another takes its place: what is under way for it then ends without effect. */
interface Active {
  readonly row: ScheduleRow;
  readonly firstAfter: FirstAfter;
  nextAt: number;
  deadline: Deadline | undefined;
}

export class Schedules {
  readonly #d: SchedulesDependencies;
  /** By function. */
  readonly #active = new Map<string, Active>();
  #stopped = false;

  constructor(dependencies: SchedulesDependencies) {
    this.#d = dependencies;
  }

  /** Number of functions that are waited for. */
  get size(): number {
    return this.#active.size;
  }

  /**
   * Waits again for what an earlier process waited for, and makes up for what it missed. Call once, right after calls were
   * recovered and in the same turn: a firing must find its call before old calls are deleted.
   */
  recover(): void {
    for (const row of this.#d.store.all()) {
      if (this.#d.apps.isLive(row.app_id)) this.#activate(row);
      else void this.#note(this.#d.store.deleteOfApp(row.app_id), `the schedules of the stopped app ${row.app_id} could not be deleted`);
    }
    for (const active of this.#active.values()) {
      if (active.nextAt <= this.#d.clock.now()) void this.#fire(active);
      else this.#arm(active);
    }
  }

  /**
   * An app was deployed with these, and no others. A cron expression that stays goes on as it was; a period begins anew. To be said of
   * each deployment, and again at every start: the process may have been killed before it was said. The same deployment again changes
   * nothing.
   */
  async sync(appId: string, entries: readonly ScheduledFunction[], deployedAt: number): Promise<void> {
    const rows = entries.flatMap(({ functionId, schedule }) => {
      const nextAt = timesOf(schedule, deployedAt)(deployedAt);
      if (nextAt === undefined) return [];
      return [{ function_id: functionId, app_id: appId, schedule: JSON.stringify(schedule), since: deployedAt, next_at: nextAt }];
    });
    const stored = await this.#d.store.replace(appId, rows, (row, before) =>
      row.schedule === before.schedule && (row.since === before.since || scheduleIn(row).kind === "cron") ? before : row,
    );
    this.#apply(appId, stored);
  }

  /** The app stops. Nothing of it fires any more, also while that is being written. */
  async drop(appId: string): Promise<void> {
    this.#apply(appId, []);
    await this.#d.store.deleteOfApp(appId);
    this.#apply(appId, []);
  }

  /** Nothing fires any more. What is due meanwhile fires at the next start. */
  stop(): void {
    this.#stopped = true;
    for (const active of this.#active.values()) this.#d.deadlines.cancel(active.deadline);
    this.#active.clear();
  }

  #apply(appId: string, rows: readonly ScheduleRow[]): void {
    const kept = new Set(rows.filter((row) => isSame(this.#active.get(row.function_id)?.row, row)).map((row) => row.function_id));
    for (const active of this.#active.values()) {
      if (active.row.app_id !== appId || kept.has(active.row.function_id)) continue;
      this.#d.deadlines.cancel(active.deadline);
      this.#active.delete(active.row.function_id);
    }
    for (const row of rows) {
      const active = kept.has(row.function_id) ? undefined : this.#activate(row);
      if (active !== undefined) this.#arm(active);
    }
  }

  #activate(row: ScheduleRow): Active | undefined {
    if (this.#stopped) return undefined;
    try {
      const active = { row, firstAfter: timesOf(scheduleIn(row), row.since), nextAt: row.next_at, deadline: undefined };
      this.#active.set(row.function_id, active);
      return active;
    } catch (error) {
      this.#d.log(`the schedule ${row.schedule} of the function ${row.function_id} cannot be kept: ${String(error)}`);
      return undefined;
    }
  }

  #arm(active: Active): void {
    active.deadline = this.#d.deadlines.add(active.nextAt, () => void this.#fire(active));
  }

  /** Never rejects. */
  async #fire(active: Active): Promise<void> {
    const { row, firstAfter, nextAt } = active;
    const now = this.#d.clock.now();
    const at = latestDue(firstAfter, nextAt, now);
    if (at > nextAt)
      this.#d.log(`the function ${row.function_id} missed firings from ${iso(nextAt)} on; only that of ${iso(at)} is made up`);
    try {
      await this.#open(row.function_id, at);
    } catch (error) {
      // A server that stops has closed its database: the next one finds this firing due.
      if (this.#stopped) return;
      this.#d.log(`the function ${row.function_id} could not be called at ${iso(at)}, as its schedule says: ${String(error)}`);
    }
    if (this.#active.get(row.function_id) !== active) return;
    const next = firstAfter(now);
    if (next === undefined) {
      this.#active.delete(row.function_id);
      return this.#d.log(`the schedule ${row.schedule} of the function ${row.function_id} has come to its end`);
    }
    await this.#note(this.#d.store.advance(row, next), `the next time of the function ${row.function_id} could not be stored`);
    if (this.#active.get(row.function_id) !== active) return;
    active.nextAt = next;
    this.#arm(active);
  }

  async #open(functionId: string, at: number): Promise<void> {
    const fn = this.#d.functions.get(functionId);
    if (fn === undefined || !this.#d.apps.isLive(fn.appId)) throw new Error("the function or its app is no more");
    const inputs = [{ idx: 0, payload: noArguments(fn.definition) }];
    const call = { fn, kind: "unary" as const, invocation: FunctionCallInvocationType.ASYNC, parentInputId: "", inputs };
    await this.#d.calls.open([call], `schedule/${functionId}/${at}`, true);
  }

  async #note(write: Promise<unknown>, what: string): Promise<void> {
    try {
      await write;
    } catch (error) {
      if (!this.#stopped) this.#d.log(`${what}: ${String(error)}`);
    }
  }
}

const scheduleIn = (row: ScheduleRow): Schedule => JSON.parse(row.schedule) as Schedule;

const isSame = (one: ScheduleRow | undefined, other: ScheduleRow): boolean =>
  one?.schedule === other.schedule && one.since === other.since && one.app_id === other.app_id;

const iso = (at: number): string => new Date(at).toISOString();
