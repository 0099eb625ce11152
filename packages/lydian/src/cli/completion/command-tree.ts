// The command tree as data: what each shell's completion script is generated from.
import type { Command } from "commander";

export interface FlagNode {
  /** e.g. ["-e", "--environment"]. */
  readonly names: readonly string[];
  readonly about: string;
  readonly takesValue: boolean;
  readonly choices: readonly string[];
}

export interface CommandNode {
  /** Words from the program on, e.g. ["app", "logs"]. Empty for the program itself. */
  readonly path: readonly string[];
  readonly about: string;
  readonly flags: readonly FlagNode[];
  readonly children: readonly CommandNode[];
  /** Whether a positional argument is a file. */
  readonly takesFile: boolean;
  /** Allowed values of its first argument. */
  readonly values: readonly string[];
}

export function commandTree(command: Command, path: readonly string[] = []): CommandNode {
  const help = command.createHelp();
  const visible = help.visibleCommands(command).filter((child) => child.name() !== "help");
  const [first] = command.registeredArguments;
  return {
    path,
    about: command.description(),
    flags: help.visibleOptions(command).map((option) => ({
      names: [option.short, option.long].filter((name): name is string => typeof name === "string"),
      about: option.description,
      takesValue: option.required || option.optional,
      choices: option.argChoices ?? [],
    })),
    children: visible.map((child) => commandTree(child, [...path, child.name()])),
    takesFile: first?.name() === "file",
    values: first?.argChoices ?? [],
  };
}

/** The node and all below it. */
export function allNodes(node: CommandNode): readonly CommandNode[] {
  return [node, ...node.children.flatMap(allNodes)];
}
