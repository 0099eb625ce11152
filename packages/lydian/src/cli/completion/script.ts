import type { Command } from "commander";
import { bashScript } from "./bash.ts";
import { commandTree } from "./command-tree.ts";
import { fishScript } from "./fish.ts";
import { zshScript } from "./zsh.ts";

/** A script to be sourced by the shell. It knows all commands and flags and never starts `lydian`. */
export function completionScript(program: Command, shell: "bash" | "zsh" | "fish"): string {
  const tree = commandTree(program);
  if (shell === "bash") return bashScript(tree);
  return shell === "zsh" ? zshScript(tree) : fishScript(tree);
}
