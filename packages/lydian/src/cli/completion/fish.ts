import { allNodes, type CommandNode, type FlagNode } from "./command-tree.ts";

/** One `complete` line per word and flag, each with the condition under which it applies. */
export function fishScript(tree: CommandNode): string {
  const lines = allNodes(tree).flatMap(linesOf);
  return `# fish completion of lydian. lydian completion fish | source\ncomplete -c lydian -f\n${lines.join("\n")}\n`;
}

function linesOf(node: CommandNode): string[] {
  const here = conditionOf(node);
  const words = node.children.map((child) => `complete -c lydian -n ${here} -a ${quote(child.path.at(-1) ?? "")} -d ${quote(child.about)}`);
  const values = node.values.map((value) => `complete -c lydian -n ${here} -a ${quote(value)}`);
  const files = node.takesFile ? [`complete -c lydian -n ${here} -F`] : [];
  return [...words, ...values, ...files, ...node.flags.map((flag) => flagLine(here, flag))];
}

/** All words of its path were typed, and none of its children. */
function conditionOf(node: CommandNode): string {
  const children = node.children.map((child) => child.path.at(-1)).join(" ");
  const seen = node.path.map((word) => `__fish_seen_subcommand_from ${word}`);
  if (node.path.length === 0) return quote("__fish_use_subcommand");
  const tests = children ? [...seen, `not __fish_seen_subcommand_from ${children}`] : seen;
  return quote(tests.join("; and "));
}

function flagLine(condition: string, flag: FlagNode): string {
  const names = flag.names.map((name) => (name.startsWith("--") ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`));
  const value = flag.takesValue ? [flag.choices.length > 0 ? `-x -a ${quote(flag.choices.join(" "))}` : "-r -F"] : [];
  return ["complete -c lydian -n", condition, ...names, ...value, "-d", quote(flag.about)].join(" ");
}

function quote(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}
