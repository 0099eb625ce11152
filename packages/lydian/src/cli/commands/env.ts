import { Command } from "commander";
import { environmentOption, jsonOption, printJson } from "./options.ts";

interface EnvFlags {
  readonly environment?: string;
  readonly json?: boolean;
  readonly fish?: boolean;
}

export function envCommand(): Command {
  return new Command("env")
    .description("print the shell lines that point the official clients at the server")
    .addOption(environmentOption())
    .addOption(jsonOption().conflicts("fish"))
    .option("--fish", "print lines for fish instead of sh")
    .addHelpText("after", '\n  eval "$(lydian env)"            sh, bash, zsh\n  lydian env --fish | source     fish\n')
    .action(async (flags: EnvFlags) => {
      const { findTarget } = await import("../connect.ts");
      const { embeddedUrl } = await import("../embedded/embedded-url.ts");
      const target = await findTarget({ environment: flags.environment });
      const values = {
        MODAL_SERVER_URL: target.source === "embedded" ? embeddedUrl(target.serverUrl) : target.serverUrl,
        MODAL_TOKEN_ID: target.token.id,
        MODAL_TOKEN_SECRET: target.token.secret,
        MODAL_ENVIRONMENT: target.environment,
      };
      if (flags.json) return printJson(values);
      const isSocket = values.MODAL_SERVER_URL.startsWith("unix:");
      if (isSocket) {
        process.stdout.write("# The embedded server: it is running now and ends by itself after a minute without an app.\n");
        process.stdout.write("# For one that stays and listens on a port: lydian server --port 7800\n");
      }
      for (const [name, value] of Object.entries(values)) {
        const quoted = `'${value.replaceAll("'", `'\\''`)}'`;
        process.stdout.write(flags.fish ? `set -gx ${name} ${quoted}\n` : `export ${name}=${quoted}\n`);
      }
    });
}
