// graphile-worker on PostgreSQL with its default durability (fsync on, synchronous_commit on).

import { readdirSync } from "node:fs";
import { chown } from "node:fs/promises";
import { join } from "node:path";
import { Logger, makeWorkerUtils, run } from "graphile-worker";
import { rate } from "../measure.ts";
import { accepting, output, service, tempDir } from "../processes.ts";
import { countInWorker, startWorker } from "./worker-process.ts";

const PORT = 17_432;
const connectionString = `postgres://bench@127.0.0.1:${PORT}/bench`;
const logger = new Logger(() => () => {});

function postgresBin(): string {
  const versions = readdirSync("/usr/lib/postgresql").sort();
  return join("/usr/lib/postgresql", versions.at(-1) ?? "", "bin");
}

const ADD_JOBS = `select count(*) from graphile_worker.add_jobs(
  array(select json_populate_recordset(null::graphile_worker.job_spec, $1::json)))`;

/** Tasks per second: add `tasks` in bulk and wait until 100 slots have finished them. */
export async function graphileWorker(tasks: number): Promise<{ name: string; tasksPerSecond: number }> {
  const uid = Number((await output("id", "-u", "postgres")).trim());
  const gid = Number((await output("id", "-g", "postgres")).trim());
  await using temporary = await tempDir("bench-postgres-");
  const dir = temporary.path;
  await chown(dir, uid, gid);
  const bin = postgresBin();
  await output(
    "setpriv",
    `--reuid=${uid}`,
    `--regid=${gid}`,
    "--clear-groups",
    join(bin, "initdb"),
    "-D",
    dir,
    "-A",
    "trust",
    "-U",
    "bench",
  );
  await using _postgres = service(join(bin, "postgres"), ["-D", dir, "-p", String(PORT), "-c", "listen_addresses=127.0.0.1", "-k", dir], {
    uid,
    gid,
  });
  await accepting({ port: PORT });
  await output(join(bin, "createdb"), "-h", "127.0.0.1", "-p", String(PORT), "-U", "bench", "bench");
  const utils = await makeWorkerUtils({ connectionString, logger });
  await utils.migrate();
  await using worker = await startWorker("graphile");
  try {
    const all = async () => {
      const done = worker.finished(tasks);
      for (let at = 0; at < tasks; at += 1_000) {
        const size = Math.min(1_000, tasks - at);
        const specs = Array.from({ length: size }, (_, i) => ({ identifier: "square", payload: { x: at + i } }));
        await utils.withPgClient((pg) => pg.query(ADD_JOBS, [JSON.stringify(specs)]));
      }
      await done;
    };
    // Once unmeasured, as ours.
    await all();
    const tasksPerSecond = await rate(tasks, all);
    return { name: "graphile-worker, PostgreSQL", tasksPerSecond };
  } finally {
    await utils.release();
  }
}

/** What runs in the worker's own process. */
export async function graphileWorkerProcess(): Promise<void> {
  const count = countInWorker();
  await run({
    connectionString,
    concurrency: 100,
    maxPoolSize: 20,
    logger,
    noHandleSignals: true,
    taskList: { square: async () => count() },
  });
}
