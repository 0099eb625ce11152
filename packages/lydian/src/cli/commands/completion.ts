import { Argument, Command } from "commander";

export function completionCommand(program: () => Command): Command {
  return new Command("completion")
    .description("print a completion script for a shell")
    .addArgument(new Argument("<shell>").choices(["bash", "zsh", "fish"]))
    .addHelpText(
      "after",
      '\n  eval "$(lydian completion bash)"     in ~/.bashrc (zsh: the same in ~/.zshrc)\n  lydian completion fish | source      in fish\n',
    )
    .action(async (shell: "bash" | "zsh" | "fish") => {
      const { completionScript } = await import("../completion/script.ts");
      process.stdout.write(completionScript(program(), shell));
    });
}
