import { Command, CommanderError } from "commander";
import manifest from "../../package.json" with { type: "json" };
import { appCommand } from "./commands/app.ts";
import { completionCommand } from "./commands/completion.ts";
import { configCommand } from "./commands/config.ts";
import { containerCommand } from "./commands/container.ts";
import { deployCommand } from "./commands/deploy.ts";
import { doctorCommand } from "./commands/doctor.ts";
import { envCommand } from "./commands/env.ts";
import { runCommand } from "./commands/run.ts";
import { sandboxCommand } from "./commands/sandbox.ts";
import { secretCommand } from "./commands/secret.ts";
import { serveCommand } from "./commands/serve.ts";
import { serverCommand, serverProcessCommand } from "./commands/server.ts";
import { shellCommand } from "./commands/shell.ts";
import { tokenCommand } from "./commands/token.ts";
import { tunnelCommand } from "./commands/tunnel.ts";
import { EXIT, ExitError } from "./exit.ts";

const EXAMPLES = `
Examples:
  lydian run hello.ts                 run the entrypoint of a file
  lydian run hello.ts::square 7       call one function of it
  lydian deploy hello.ts              keep it, to be called by name
  lydian server --port 7800           a server that stays
  eval "$(lydian env)"                point other clients at it
`;

/** The whole command tree. Building it loads nothing but commander. */
export function buildProgram(): Command {
  const program = new Command("lydian");
  program
    .description("Run TypeScript functions in autoscaled containers on your own machines.")
    .version(manifest.version, "-V, --version", "print the version")
    .helpOption("-h, --help", "show help")
    .helpCommand("help [command]", "show help of a command")
    .enablePositionalOptions()
    .showHelpAfterError("(--help shows what there is)")
    .addHelpText("after", EXAMPLES);
  const commands = [
    runCommand(),
    deployCommand(),
    serveCommand(),
    serverCommand(),
    serverProcessCommand(),
    envCommand(),
    sandboxCommand(),
    shellCommand(),
    tunnelCommand(),
    secretCommand(),
    doctorCommand(),
    appCommand(),
    containerCommand(),
    tokenCommand(),
    configCommand(),
    completionCommand(buildProgram),
  ];
  for (const command of commands) program.addCommand(command, { hidden: command.name().startsWith("internal-") });
  for (const command of everyCommand(program)) {
    command
      .exitOverride()
      .copyInheritedSettings(program)
      .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, "lydian: ")) });
  }
  return program;
}

export function everyCommand(root: Command): Command[] {
  return [root, ...root.commands.flatMap(everyCommand)];
}

/** Runs one command line (without node and script) and returns the exit code. Never throws. */
export async function runProgram(argv: readonly string[]): Promise<number> {
  try {
    await buildProgram().parseAsync(argv, { from: "user" });
    return EXIT.ok;
  } catch (error) {
    if (error instanceof ExitError) return error.exitCode;
    // commander has printed its message already.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    const { reportError } = await import("./display/report-error.ts");
    return reportError(error);
  }
}
