// Every migration, in order. Each runs once, in one transaction; a released one never changes.
import core from "./migrations/0001-core.sql";
import calls from "./migrations/0002-calls.sql";
import images from "./migrations/0003-images-mounts-blobs.sql";
import secrets from "./migrations/0004-secrets.sql";
import deployments from "./migrations/0005-deployments.sql";
import clientMounts from "./migrations/0006-client-mounts.sql";
import schedules from "./migrations/0007-schedules.sql";
import pythonMounts from "./migrations/0008-python-mounts.sql";
import sandboxes from "./migrations/0009-sandboxes.sql";

export interface Migration {
  readonly version: number;
  readonly name: string;
  readonly sql: string;
}

export const MIGRATIONS: readonly Migration[] = [
  { version: 1, name: "0001-core", sql: core },
  { version: 2, name: "0002-calls", sql: calls },
  { version: 3, name: "0003-images-mounts-blobs", sql: images },
  { version: 4, name: "0004-secrets", sql: secrets },
  { version: 5, name: "0005-deployments", sql: deployments },
  { version: 6, name: "0006-client-mounts", sql: clientMounts },
  { version: 7, name: "0007-schedules", sql: schedules },
  { version: 8, name: "0008-python-mounts", sql: pythonMounts },
  { version: 9, name: "0009-sandboxes", sql: sandboxes },
];
