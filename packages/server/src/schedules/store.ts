import type { Database } from "../database/database.ts";

export interface ScheduleRow {
  readonly function_id: string;
  readonly app_id: string;
  readonly schedule: string;
  readonly since: number;
  readonly next_at: number;
}

export class ScheduleStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  all(): ScheduleRow[] {
    return this.#database.prepare("SELECT * FROM schedules ORDER BY next_at").all<ScheduleRow>();
  }

  /**
   * These, and no others, are the app's. `decide` is given what a function had, in the very transaction that writes its result.
   * Resolves with what is stored.
   */
  replace(
    appId: string,
    rows: readonly ScheduleRow[],
    decide: (row: ScheduleRow, before: ScheduleRow) => ScheduleRow,
  ): Promise<readonly ScheduleRow[]> {
    return this.#database.commit(() => {
      const before = this.#database.prepare("SELECT * FROM schedules WHERE app_id = ?").all<ScheduleRow>(appId);
      const decided = rows.map((row) => {
        const known = before.find(({ function_id }) => function_id === row.function_id);
        return known === undefined ? row : decide(row, known);
      });
      this.#delete(appId);
      for (const { function_id, app_id, schedule, since, next_at } of decided)
        this.#database
          .prepare("INSERT INTO schedules (function_id, app_id, schedule, since, next_at) VALUES (?, ?, ?, ?, ?)")
          .run(function_id, app_id, schedule, since, next_at);
      return decided;
    });
  }

  /** Forward only, and no effect on what another deployment has put in its place. */
  advance({ function_id, schedule, since }: ScheduleRow, nextAt: number): Promise<unknown> {
    return this.#database.commit(() =>
      this.#database
        .prepare("UPDATE schedules SET next_at = ?1 WHERE function_id = ?2 AND schedule = ?3 AND since = ?4 AND next_at < ?1")
        .run(nextAt, function_id, schedule, since),
    );
  }

  deleteOfApp(appId: string): Promise<unknown> {
    return this.#database.commit(() => this.#delete(appId));
  }

  #delete(appId: string): void {
    this.#database.prepare("DELETE FROM schedules WHERE app_id = ?").run(appId);
  }
}
