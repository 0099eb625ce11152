import { Command } from "commander";
import { type CommonOptions, environmentOption } from "./options.ts";

interface DeployFlags extends CommonOptions {
  readonly name?: string;
  readonly tag?: string;
  readonly quiet?: boolean;
}

export function deployCommand(): Command {
  return new Command("deploy")
    .description("make the functions of a TypeScript file callable by name, until the app is stopped")
    .argument("<file>", "the file that defines the app; FILE::app picks one of several, by its name or its export")
    .option("--name <name>", "name of the deployment (default: that of the app)")
    .option("--tag <tag>", "a word for the history, e.g. a version of yours")
    .addOption(environmentOption())
    .option("-q, --quiet", "print only what is callable")
    .option("--json", "print events as JSON, one a line")
    .action(async (reference: string, flags: DeployFlags) => (await import("../deploy/deploy-file.ts")).deployFile(reference, flags));
}
