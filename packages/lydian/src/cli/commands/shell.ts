import { Command, Option } from "commander";
import type { ShellFlags } from "../shell/shell.ts";
import { containerOptions, environmentOption } from "./options.ts";

export function shellCommand(): Command {
  const shell = new Command("shell")
    .description("a shell in a container: of a function, an image, a sandbox, or one that runs")
    .argument(
      "[reference]",
      "FILE::function, a sandbox (sb-…, or sb-…:NAME for a further container) or a container (ta-…); default: a new sandbox",
    )
    .option("-c, --cmd <line>", "what to run instead of a shell");
  for (const option of containerOptions()) shell.addOption(option);
  return shell
    .addOption(new Option("--pty", "a terminal (default: where this is one)"))
    .addOption(new Option("--no-pty", "no terminal"))
    .addOption(environmentOption())
    .action(async (reference: string | undefined, flags: ShellFlags) => (await import("../shell/shell.ts")).openShell(reference, flags));
}
