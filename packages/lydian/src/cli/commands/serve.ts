import { Command } from "commander";
import { environmentOption } from "./options.ts";

interface ServeFlags {
  readonly environment?: string;
  readonly quiet?: boolean;
  readonly json?: boolean;
}

export function serveCommand(): Command {
  return new Command("serve")
    .description("run the app of a TypeScript file until Ctrl-C, and replace it whenever a file of it changes")
    .argument("<file>", "the file that defines the app; FILE::app picks one of several by its name")
    .addOption(environmentOption())
    .option("-q, --quiet", "print only what the functions print")
    .option("--json", "print events as JSON, one a line")
    .action(async (reference: string, flags: ServeFlags) => {
      const { serveFile } = await import("../live/serve-file.ts");
      await serveFile({ reference, environment: flags.environment, quiet: flags.quiet === true, json: flags.json === true });
    });
}
