import { allNodes, type CommandNode } from "./command-tree.ts";

/** Words per command path; the path is found by walking the words typed so far. */
export function bashScript(tree: CommandNode): string {
  const nodes = allNodes(tree);
  const cases = nodes.map((node) => {
    const words = [...node.children.map((child) => child.path.at(-1)), ...node.values, ...node.flags.flatMap((flag) => flag.names)].join(
      " ",
    );
    return `    ${quote(node.path.join(" "))}) words=${quote(words)}; files=${node.takesFile ? 1 : 0} ;;`;
  });
  const values = nodes.flatMap((node) =>
    node.flags
      .filter((flag) => flag.choices.length > 0)
      .flatMap((flag) =>
        flag.names.map(
          (name) =>
            `    ${quote(`${node.path.join(" ")} ${name}`.trim())}) COMPREPLY=($(compgen -W ${quote(flag.choices.join(" "))} -- "$word")); return ;;`,
        ),
      ),
  );
  const known = nodes.filter((node) => node.path.length > 0).map((node) => quote(node.path.join(" ")));
  return `# bash completion of lydian. eval "$(lydian completion bash)"
_lydian() {
  local word=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]} path= next words= files=0 i
  for ((i = 1; i < COMP_CWORD; i++)); do
    next="\${path:+$path }\${COMP_WORDS[i]}"
    case $next in
    ${known.join("|")}) path=$next ;;
    esac
  done
  case "\${path:+$path }$previous" in
${values.join("\n")}
  esac
  case $path in
${cases.join("\n")}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$word"))
  if [ "$files" = 1 ] && [[ $word != -* ]]; then
    COMPREPLY+=($(compgen -f -- "$word"))
  fi
}
complete -o filenames -o bashdefault -F _lydian lydian
`;
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
