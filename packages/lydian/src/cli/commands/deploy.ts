import { Command } from "commander";
import { environmentOption } from "./options.ts";

interface DeployFlags {
  readonly environment?: string;
  readonly name?: string;
  readonly tag?: string;
  readonly quiet?: boolean;
  readonly json?: boolean;
}

export function deployCommand(): Command {
  return new Command("deploy")
    .description("make a version of an app that stays, to be called by its name and by its schedules")
    .argument("<file>", "the file that defines the app; FILE::app picks one of several by its name")
    .addOption(environmentOption())
    .option("--name <name>", "deploy it under this name (default: the app's own)")
    .option("--tag <tag>", "a mark of this version, shown by lydian app history")
    .option("-q, --quiet", "print nothing but errors")
    .option("--json", "print events as JSON, one a line")
    .action(async (reference: string, flags: DeployFlags) => {
      const { deployFile } = await import("../deploy/deploy-file.ts");
      const { environment, name, tag } = flags;
      await deployFile({ reference, environment, name, tag, quiet: flags.quiet === true, json: flags.json === true });
    });
}
