import type { CommonOptions } from "../commands/options.ts";
import { withServer } from "../connect.ts";
import { UsageError } from "../exit.ts";
import { parseDuration } from "../parse-duration.ts";
import { findPlace, runCommand } from "../terminal/run-command.ts";
import { pairs } from "./pairs.ts";

export interface ExecFlags extends CommonOptions {
  readonly pty?: boolean;
  readonly workdir?: string;
  readonly env?: readonly string[];
  readonly timeout?: string;
}

/** Ends with the command's exit code. */
export async function execIn(id: string, words: readonly string[], flags: ExecFlags): Promise<void> {
  // What comes after the id is passed on as it is, also the `--` that some write before the command.
  const command = words[0] === "--" ? words.slice(1) : words;
  if (command.length === 0) throw new UsageError("no command is given", "lydian sandbox exec ID PROGRAM [ARGUMENT…]");
  const { pty, workdir, timeout } = flags;
  const env = pairs(flags.env, "--env");
  const timeoutMs = timeout === undefined ? undefined : parseDuration(timeout, "--timeout");
  await withServer(flags, async (client) => runCommand(await findPlace(client, id), command, { pty, workdir, env, timeoutMs }));
}
