// Containers as clients see them: the wire calls them tasks.
import type { CalledFunction } from "../calls/functions-port.ts";
import type { PoolContainer } from "./container.ts";

export interface TaskRecord {
  readonly taskId: string;
  readonly appId: string;
  readonly workspaceId: string;
  readonly environmentId: string;
  readonly enqueuedAt: number;
  readonly startedAt: number;
  /** 0 while it exists. */
  readonly finishedAt: number;
  /** What keeps it apart; empty before it has been started. */
  readonly isolation: string;
}

const MAX_ENDED_KNOWN = 500;

/** The latest containers that have ended. */
export class EndedTasks {
  readonly #records = new Map<string, TaskRecord>();

  add(record: TaskRecord): void {
    this.#records.set(record.taskId, record);
    const [oldest] = this.#records.keys();
    if (this.#records.size > MAX_ENDED_KNOWN && oldest !== undefined) this.#records.delete(oldest);
  }

  all(): Iterable<TaskRecord> {
    return this.#records.values();
  }
}

export function recordOf(container: PoolContainer, fn: CalledFunction, finishedAt: number): TaskRecord {
  const { taskId, createdAt, startedAt, running } = container;
  const { appId, workspaceId, environmentId } = fn;
  return { taskId, appId, workspaceId, environmentId, enqueuedAt: createdAt, startedAt, finishedAt, isolation: running?.isolation ?? "" };
}
