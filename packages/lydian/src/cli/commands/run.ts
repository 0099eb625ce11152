import { Command } from "commander";
import { environmentOption } from "./options.ts";

interface RunFlags {
  readonly environment?: string;
  readonly quiet?: boolean;
  readonly json?: boolean;
}

export function runCommand(): Command {
  return new Command("run")
    .description("run the entrypoint of a TypeScript file, or one of its functions")
    .argument("<file>", "the file that defines the app; FILE::name picks an entrypoint or function")
    .argument("[flags...]", "flags of the entrypoint (lydian run FILE --help lists them)")
    .addOption(environmentOption())
    .option("-q, --quiet", "print only what the program prints")
    .option("--json", "print events as JSON, one a line")
    .passThroughOptions()
    .allowUnknownOption()
    .addHelpText("after", "\nOptions of `lydian run` come before FILE; what follows FILE belongs to the entrypoint.\n")
    .action(async (reference: string, words: string[], options: RunFlags) => {
      const { runFile } = await import("../run/run-file.ts");
      await runFile({ reference, words, environment: options.environment, quiet: options.quiet === true, json: options.json === true });
    });
}
