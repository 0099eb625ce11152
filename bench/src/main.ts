import { bullmq } from "./peers/bullmq.ts";
import { graphileWorker } from "./peers/graphile-worker.ts";
import { summary } from "./measure.ts";
const b = await bullmq(300, 5000);
console.log(b.name, summary(b.roundTripMs), b.returned.toFixed(0), b.spawned.toFixed(0));
const g = await graphileWorker(5000);
console.log(g.name, g.tasksPerSecond.toFixed(0));
