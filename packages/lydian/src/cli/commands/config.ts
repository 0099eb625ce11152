import { Command } from "commander";
import { asConfigKey, CONFIG_KEYS, configPath, readConfig, setConfig, unsetConfig } from "../../config/config-file.ts";
import { jsonOption, printJson } from "./options.ts";

export function configCommand(): Command {
  const config = new Command("config").description("which server commands talk to when the environment does not say");
  const keys = Object.entries(CONFIG_KEYS).map(([key, { about }]) => `  ${key.padEnd(14)}${about}`);
  config.addHelpText(
    "after",
    `\nSettings:\n${keys.join("\n")}\n\nEnvironment variables win: LYDIAN_SERVER_URL, MODAL_SERVER_URL and so on.\n`,
  );
  config
    .command("show")
    .description("print the settings, the secret hidden")
    .addOption(jsonOption())
    .option("--reveal", "print the secret too")
    .action((flags: { json?: boolean; reveal?: boolean }) => {
      const values = readConfig(configPath());
      if (values.token_secret && !flags.reveal) values.token_secret = "********";
      if (flags.json) return printJson(values);
      for (const [key, value] of Object.entries(values)) process.stdout.write(`${key} = ${value}\n`);
      if (Object.keys(values).length === 0) process.stdout.write("(nothing is set: commands use the embedded server)\n");
    });
  config
    .command("set")
    .description("write a setting")
    .argument("<key>")
    .argument("<value>")
    .action((key: string, value: string) => setConfig(configPath(), asConfigKey(key), value));
  config
    .command("unset")
    .description("remove a setting")
    .argument("<key>")
    .action((key: string) => {
      if (!unsetConfig(configPath(), asConfigKey(key))) process.stderr.write(`lydian: ${asConfigKey(key)} was not set\n`);
    });
  config
    .command("path")
    .description("print where the settings are")
    .action(() => {
      process.stdout.write(`${configPath()}\n`);
    });
  return config;
}
