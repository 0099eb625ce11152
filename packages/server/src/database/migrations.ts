// Every migration, in order. Each runs once, in one transaction; a released one never changes.
import core from "./migrations/0001-core.sql";

export interface Migration {
  readonly version: number;
  readonly name: string;
  readonly sql: string;
}

export const MIGRATIONS: readonly Migration[] = [{ version: 1, name: "0001-core", sql: core }];
