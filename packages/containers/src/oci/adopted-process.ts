// The shell of a slot that an earlier server has started: not a child of ours, so its end is read from the file that it writes.

import type { LaunchedProcess, ProcessExit } from "../launcher/launcher.ts";
import { OutputQueue } from "../launcher/output-queue.ts";
import { isRunning, type KnownProcess } from "./kept.ts";
import type { PidWatch } from "./pid-watch.ts";

/** Its output went with the server that had its pipes. */
export async function adoptProcess(shell: KnownProcess, exits: PidWatch, exitName: string): Promise<LaunchedProcess> {
  const output = new OutputQueue({ pause() {}, resume() {} });
  output.end();
  let settle: (exit: ProcessExit) => void = () => {};
  const exited = new Promise<ProcessExit>((resolve) => {
    settle = resolve;
  });
  const running = await isRunning(shell);
  void exits.wait(exitName, 0).then((code) => settle({ code }));
  const lost = () => {
    exits.forget(exitName);
    settle({ signal: "SIGKILL" });
  };
  // A file that was there before the shell's end was seen has been read by now.
  if (!running && !(await exits.has(exitName))) lost();
  return {
    pid: shell.pid,
    output,
    exited,
    write() {},
    endInput() {},
    signal() {},
    keep() {},
    /** Whoever removes the slot kills what is in its group. */
    close: lost,
  };
}
