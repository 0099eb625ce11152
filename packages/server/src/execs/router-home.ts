import { type CallContext, LydianError } from "@lydian/protocol";
import type { Caller } from "../identity/caller.ts";
import type { ExecHome } from "./exec-home.ts";

/** Where a task's processes run; of a sandbox's further containers by their id. Throws `not_found`. */
export type FindHome = (taskId: string, containerId: string) => ExecHome;

/** A token opens one task, and only while that is the workspace's. Throws `not_found` for others. */
export function routerHome(home: FindHome) {
  return ({ caller }: CallContext<Caller>, taskId: string, containerId = ""): ExecHome => {
    if (caller.kind !== "router" || caller.taskId !== taskId) throw wrongTask(taskId);
    const found = home(taskId, containerId);
    if (found.workspaceId !== caller.workspaceId) throw wrongTask(taskId);
    return found;
  };
}

const wrongTask = (taskId: string) =>
  new LydianError("not_found", `There is no container ${JSON.stringify(taskId.slice(0, 100))}, or this token is not for it.`);
