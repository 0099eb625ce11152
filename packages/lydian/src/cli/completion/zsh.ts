import { allNodes, type CommandNode } from "./command-tree.ts";

/** One function per command, each an _arguments call. */
export function zshScript(tree: CommandNode): string {
  const functions = allNodes(tree).map(functionOf);
  return `#compdef lydian
# zsh completion of lydian. eval "$(lydian completion zsh)"
${functions.join("\n")}
compdef _lydian lydian
`;
}

const nameOf = (node: CommandNode) => ["_lydian", ...node.path].join("_").replaceAll("-", "_");

function functionOf(node: CommandNode): string {
  const specs = node.flags.flatMap((flag) => {
    const exclusion = flag.names.length > 1 ? `(${flag.names.join(" ")})` : "";
    const value = flag.takesValue ? `:value:${flag.choices.length > 0 ? `(${flag.choices.join(" ")})` : "_files"}` : "";
    return flag.names.map((name) => quote(`${exclusion}${name}[${escapeText(flag.about)}]${value}`));
  });
  if (node.takesFile) specs.push(quote("1:file:_files"));
  if (node.values.length > 0) specs.push(quote(`1:value:(${node.values.join(" ")})`));
  if (node.children.length === 0) return `${nameOf(node)}() {\n  _arguments -s ${specs.join(" ")}\n}`;
  const names = node.children.map((child) => quote(`${child.path.at(-1)}:${escapeText(child.about)}`)).join(" ");
  const cases = node.children.map((child) => `    ${child.path.at(-1)}) ${nameOf(child)} ;;`).join("\n");
  return `${nameOf(node)}() {
  local context state line curcontext="$curcontext"
  _arguments -C ${specs.join(" ")} '1: :->command' '*:: :->rest'
  case $state in
  command)
    local -a commands=(${names})
    _describe command commands
    ;;
  rest)
    case $line[1] in
${cases}
    esac
    ;;
  esac
}`;
}

function escapeText(text: string): string {
  return text.replaceAll(/[[\]:]/g, "\\$&");
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
