// One life of a server that has calls and schedules, under a clock that a test turns.
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { create, FunctionSchema$ } from "@lydian/protocol";
import { Calls } from "../calls/calls.ts";
import type { Clock } from "../calls/deadlines.ts";
import type { CalledFunction } from "../calls/functions-port.ts";
import { type Database, openDatabase } from "../database/database.ts";
import { Schedules } from "./schedules.ts";
import { ScheduleStore } from "./store.ts";

export const START = new Date("2026-01-01T12:00:00Z").getTime();
export const iso = (at: number) => new Date(at).toISOString();

/** Stands still until it is turned. */
export class TurnedClock implements Clock {
  time = START;
  /** Of the timers that were set. */
  longestMs = 0;
  readonly #timers = new Set<{ at: number; wake: () => void }>();

  now(): number {
    return this.time;
  }

  after(ms: number, wake: () => void): () => void {
    this.longestMs = Math.max(this.longestMs, ms);
    const timer = { at: this.time + ms, wake };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  async advance(ms: number): Promise<void> {
    const until = this.time + ms;
    for (;;) {
      const due = [...this.#timers].filter(({ at }) => at <= until).sort((a, b) => a.at - b.at)[0];
      if (due === undefined) break;
      this.#timers.delete(due);
      this.time = Math.max(this.time, due.at);
      due.wake();
      await settled();
    }
    this.time = until;
    await settled();
  }

  /** As a process that does not run: nothing fires meanwhile. */
  sleep(ms: number): void {
    this.time += ms;
    this.#timers.clear();
  }
}

/** A firing is two commits, of a turn each. */
export async function settled(): Promise<void> {
  for (let turns = 0; turns < 6; turns++) await turn();
}

/** One life of a server, with what it keeps in `dir`. */
export class Life {
  readonly database: Database;
  readonly calls: Calls;
  readonly store: ScheduleStore;
  readonly schedules: Schedules;
  readonly log: string[] = [];
  /** What is done instead of opening a call. */
  instead: (() => Promise<never>) | undefined;

  constructor(dir: string, clock: Clock, apps: ReadonlySet<string>, maxOutstandingInputs = 1000) {
    this.database = openDatabase({ path: join(dir, "db") });
    const functions = { get: functionOf };
    const live = { isLive: (appId: string) => apps.has(appId) };
    const log = (message: string) => void this.log.push(message);
    this.calls = new Calls({ database: this.database, functions, apps: live, log, clock, limits: { maxOutstandingInputs } });
    this.store = new ScheduleStore(this.database);
    const calls: Pick<Calls, "open"> = { open: (...args) => this.instead?.() ?? this.calls.open(...args) };
    this.schedules = new Schedules({ store: this.store, calls, functions, apps: live, deadlines: this.calls.deadlines, clock, log });
    this.calls.recover();
    this.schedules.recover();
  }

  /** The times in the request keys of a function's calls. */
  fired(functionId = "fu-1"): string[] {
    return this.database
      .prepare("SELECT request_key AS key FROM calls WHERE function_id = ? ORDER BY seq")
      .all<{ key: string }>(functionId)
      .map(({ key }) => iso(Number(key.split("/")[2])));
  }

  end(): void {
    this.schedules.stop();
    this.calls.stop();
    this.database.close();
  }
}

export function functionOf(id: string): CalledFunction {
  const definition = create(FunctionSchema$, { runtime: "lydian-node", functionName: id });
  const owner = { appId: "ap-1", workspaceId: "ac-1", environmentId: "en-1" };
  return { id, ...owner, name: id, definition, definitionId: "", params: new Uint8Array() };
}
