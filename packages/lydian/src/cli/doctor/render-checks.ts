import type { Check } from "@lydian/containers";
import type { Style } from "../display/style.ts";

/** A line for each check; those that are not well also say why it matters and what to do. */
export function renderChecks(checks: readonly Check[], style: Style): string {
  const marks = { ok: style.green("ok  "), warn: style.yellow("warn"), fail: style.red("fail") };
  const width = Math.max(...checks.map((check) => check.name.length));
  const lines = checks.flatMap((check) => {
    const head = `${marks[check.status]}  ${check.name.padEnd(width)}  ${check.found}`;
    if (check.status === "ok") return [head];
    return [head, style.dim(`      ${check.why}`), ...(check.fix ? [`      → ${check.fix}`] : [])];
  });
  return `${lines.join("\n")}\n\n${verdict(checks)}\n`;
}

function verdict(checks: readonly Check[]): string {
  const failed = checks.filter((check) => check.status === "fail").length;
  const warned = checks.filter((check) => check.status === "warn").length;
  const count = (n: number, word: string) => `${n} ${word}${n === 1 ? "" : "s"}`;
  if (failed > 0) return `${count(failed, "problem")} to solve${warned > 0 ? `, ${count(warned, "warning")}` : ""}.`;
  return warned > 0 ? `This machine can run containers, with ${count(warned, "warning")}.` : "This machine is ready.";
}
