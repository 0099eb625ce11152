// What the command router has no message for.
import { constants } from "node:os";
import { type Handlers, LydianError, type Processes } from "@lydian/protocol";
import type { Caller } from "../identity/caller.ts";
import type { Execs } from "./execs.ts";
import { type FindHome, routerHome } from "./router-home.ts";

export interface ProcessesRpcDependencies {
  readonly execs: Execs;
  readonly home: FindHome;
  /** Throws `not_found` for what is no sandbox. */
  readonly pausable: (taskId: string) => { pause(): Promise<void>; resume(): Promise<void> };
}

/** As the kernel has it. */
const MAX_SIZE = 0xffff;

export function createProcessesRpc({ execs, home, pausable }: ProcessesRpcDependencies): Partial<Handlers<typeof Processes, Caller>> {
  const homeOf = routerHome(home);
  return {
    async signal({ taskId, execId, signal }, context) {
      const found = homeOf(context, taskId);
      if (!Object.hasOwn(constants.signals, signal))
        throw new LydianError("invalid_argument", `${JSON.stringify(signal.slice(0, 50))} is no signal; write for example "SIGTERM".`);
      await execs.signal(found, execId, signal as NodeJS.Signals);
      return {};
    },

    async resize({ taskId, execId, rows, columns }, context) {
      const found = homeOf(context, taskId);
      for (const size of [rows, columns])
        if (size < 1 || size > MAX_SIZE)
          throw new LydianError(
            "invalid_argument",
            `A terminal of ${columns} columns by ${rows} rows cannot be: 1 to ${MAX_SIZE} are possible.`,
          );
      await execs.resize(found, execId, rows, columns);
      return {};
    },

    async pause({ taskId }, context) {
      homeOf(context, taskId);
      await pausable(taskId).pause();
      return {};
    },

    async resume({ taskId }, context) {
      homeOf(context, taskId);
      await pausable(taskId).resume();
      return {};
    },
  };
}
