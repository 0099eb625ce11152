// BullMQ on Redis with `appendfsync always`: each acknowledged write has been synced, as ours has.
import { Queue, QueueEvents, Worker } from "bullmq";
import { rate, sequential } from "../measure.ts";
import { accepting, service, tempDir } from "../processes.ts";
import { countInWorker, startWorker } from "./worker-process.ts";

const PORT = 17_379;
const connection = { host: "127.0.0.1", port: PORT, maxRetriesPerRequest: null };

export interface QueuePeer {
  readonly name: string;
  /** Milliseconds per call: enqueue one and wait for its result. */
  readonly roundTripMs: readonly number[];
  /** Tasks per second, added in bulk, every result returned to the caller; a worker with 100 slots. */
  readonly returned: number;
  /** Tasks per second, added one by one with 1,000 in flight, until the worker has finished the last. */
  readonly spawned: number;
}

export async function bullmq(calls: number, tasks: number): Promise<QueuePeer> {
  await using temporary = await tempDir("bench-redis-");
  const dir = temporary.path;
  await using _redis = service("redis-server", [
    ...["--port", String(PORT), "--bind", "127.0.0.1", "--dir", dir],
    ...["--appendonly", "yes", "--appendfsync", "always", "--save", ""],
  ]);
  await accepting({ port: PORT });
  const queue = new Queue("bench", { connection });
  const events = new QueueEvents("bench", { connection });
  await using worker = await startWorker("bullmq");
  try {
    await events.waitUntilReady();
    const roundTripMs = await sequential(calls, 1_000, async (i) =>
      (await queue.add("square", { x: i })).waitUntilFinished(events, 30_000),
    );
    // What `.map` does: every result comes back to the caller.
    const map = async () => {
      for (let at = 0; at < tasks; at += 1_000) {
        const jobs = await queue.addBulk(
          Array.from({ length: Math.min(1_000, tasks - at) }, (_, i) => ({ name: "square", data: { x: at + i } })),
        );
        await Promise.all(jobs.map((job) => job.waitUntilFinished(events, 60_000)));
      }
    };
    // Once unmeasured, as ours.
    await map();
    const returned = await rate(tasks, map);
    // What `.spawn` does: one call at a time is made, 1,000 in flight; the results stay in the store.
    const done = worker.finished(tasks);
    const spawned = await rate(tasks, async () => {
      let next = 0;
      const lane = async () => {
        while (next < tasks) await queue.add("square", { x: next++ });
      };
      await Promise.all(Array.from({ length: 1_000 }, lane));
      await done;
    });
    return { name: "BullMQ, Redis appendfsync always", roundTripMs, returned, spawned };
  } finally {
    await events.close();
    await queue.close();
  }
}

/** What runs in the worker's own process. */
export async function bullmqWorker(): Promise<void> {
  const count = countInWorker();
  const worker = new Worker(
    "bench",
    async (job) => {
      const { x } = job.data as { x: number };
      return x * x;
    },
    { connection, concurrency: 100 },
  );
  worker.on("completed", count);
  await worker.waitUntilReady();
}
