/** A program in the documentation and what it is said to print. */
export interface Snippet {
  /** "docs/guide/hello.md:12" */
  readonly at: string;
  readonly source: string;
  /** Absent when the text makes no claim. */
  readonly prints: string | undefined;
}

const FENCE = /^```(\w*)\n([\s\S]*?)^```$/gm;

/** Every ```ts block of a page. A ```text block that follows directly is what the program prints. */
export function snippetsOf(path: string, markdown: string): Snippet[] {
  const found: Snippet[] = [];
  let previous: { end: number; index: number } | undefined;
  for (const match of markdown.matchAll(FENCE)) {
    const [block, language, body = ""] = match;
    if (language === "ts") {
      found.push({ at: `${path}:${markdown.slice(0, match.index).split("\n").length}`, source: body, prints: undefined });
      previous = { end: match.index + block.length, index: found.length - 1 };
      continue;
    }
    const owner = previous && found[previous.index];
    if (language === "text" && previous && owner && markdown.slice(previous.end, match.index).trim() === "") {
      found[previous.index] = { ...owner, prints: body };
    }
    previous = undefined;
  }
  return found;
}
