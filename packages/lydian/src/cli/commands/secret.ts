import { Command } from "commander";
import type { CreateOptions } from "../secrets/create.ts";
import { type CommonOptions, environmentOption, jsonOption } from "./options.ts";

export function secretCommand(): Command {
  const secret = new Command("secret").description("environment variables that only containers see");
  secret
    .command("list")
    .description("names, variables and times; values are told to nobody")
    .addOption(environmentOption())
    .addOption(jsonOption())
    .action(async (flags: CommonOptions) => (await import("../secrets/list.ts")).list(flags));
  secret
    .command("create")
    .description("make a secret")
    .argument("<name>")
    .argument("[variables...]", "KEY=VALUE")
    .option("--from-dotenv <file>", "take the variables of a file with lines KEY=value")
    .option("--from-json <file>", "take the variables of a JSON object")
    .option("--force", "replace the one that is there")
    .addOption(environmentOption())
    .action(async (name: string, variables: string[], flags: CreateOptions) =>
      (await import("../secrets/create.ts")).create(name, variables, flags),
    );
  secret
    .command("delete")
    .description("delete a secret; containers that run keep what they were given")
    .argument("<name>")
    .option("--allow-missing", "no error when there is none")
    .addOption(environmentOption())
    .action(async (name: string, flags: CommonOptions & { allowMissing?: boolean }) =>
      (await import("../secrets/delete.ts")).remove(name, flags),
    );
  return secret;
}
