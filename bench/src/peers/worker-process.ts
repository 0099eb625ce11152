// A peer's worker in a process of its own, as Lydian's containers are: a caller and a worker in one process would need no hand-over.
import { fork } from "node:child_process";
import { once } from "node:events";

const PEER = "BENCH_WORKER";

/** Which worker this process is to be; undefined in the benchmark itself. */
export const workerOf = (): string | undefined => process.env[PEER];

export interface WorkerProcess extends AsyncDisposable {
  /** Resolves when the worker has finished that many tasks, counted from now. */
  finished(tasks: number): Promise<void>;
}

export async function startWorker(peer: string): Promise<WorkerProcess> {
  const child = fork(process.argv[1] ?? "", { env: { ...process.env, [PEER]: peer }, stdio: ["ignore", "ignore", "inherit", "ipc"] });
  await once(child, "message");
  return {
    async finished(tasks) {
      child.send(tasks);
      await once(child, "message");
    },
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await once(child, "exit");
    },
  };
}

/** In the worker: call the result once per finished task. */
export function countInWorker(): () => void {
  let left = Number.POSITIVE_INFINITY;
  process.on("message", (tasks) => {
    left = Number(tasks);
  });
  process.on("disconnect", () => process.exit());
  return () => {
    if (--left === 0) process.send?.("finished");
  };
}
