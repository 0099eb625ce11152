const CONTEXT_LINES = 2;

/** The line and its neighbours with numbers, the line itself marked; undefined when the source is not known. */
export function codeFrame(source: string | null | undefined, line: number): string | undefined {
  if (!source) return undefined;
  const lines = source.split("\n");
  if (line < 1 || line > lines.length) return undefined;
  const first = Math.max(1, line - CONTEXT_LINES);
  const last = Math.min(lines.length, line + CONTEXT_LINES);
  const width = String(last).length;
  const shown: string[] = [];
  for (let at = first; at <= last; at++) {
    shown.push(`${at === line ? ">" : " "} ${String(at).padStart(width)} | ${lines[at - 1]?.trimEnd() ?? ""}`.trimEnd());
  }
  return shown.join("\n");
}
