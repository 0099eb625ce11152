// Patterns of paths: `*`, `?` and `[…]` within a component, and `**` for any number of them.

/** A component of a pattern, ready to be matched. Throws RangeError for one that cannot be. */
export function componentPattern(component: string): string | RegExp {
  return /[*?[]/.test(component) ? globExpression(component) : component;
}

/** One component of a path against one of a pattern. */
export function componentMatches(component: string, expected: string | RegExp): boolean {
  return typeof expected === "string" ? component === expected : expected.test(component);
}

/** Whether a relative path, or a directory above it, is excluded by one of the patterns. */
export function exclusion(patterns: readonly string[]): (path: string) => boolean {
  const lists = patterns.map((pattern) => split(pattern).map((component) => (component === "**" ? "**" : componentPattern(component))));
  return (path) => {
    const components = split(path);
    return lists.some((list) => components.some((_, index) => matchesAll(components.slice(0, index + 1), list)));
  };
}

function split(path: string): readonly string[] {
  return path.split("/").filter((component) => component !== "" && component !== ".");
}

function matchesAll(components: readonly string[], patterns: readonly (string | RegExp)[]): boolean {
  const [pattern, ...rest] = patterns;
  if (pattern === undefined) return components.length === 0;
  if (pattern === "**") return components.some((_, index) => matchesAll(components.slice(index), rest)) || rest.length === 0;
  const [component, ...others] = components;
  return component !== undefined && componentMatches(component, pattern) && matchesAll(others, rest);
}

function globExpression(component: string): RegExp {
  let source = "";
  for (let at = 0; at < component.length; at += 1) {
    const character = component[at] as string;
    const close = character === "[" ? component.indexOf("]", at + 2) : -1;
    if (character === "*") source += "[^/]*";
    else if (character === "?") source += "[^/]";
    else if (close > 0) {
      source += `[${component
        .slice(at + 1, close)
        .replace(/[\\\]^]/g, "\\$&")
        .replace(/^!|^\\\^/, "^")}]`;
      at = close;
    } else source += character.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  }
  try {
    return new RegExp(`^${source}$`, "s");
  } catch {
    throw new RangeError(`"${component}" is not a pattern that can be matched`);
  }
}
