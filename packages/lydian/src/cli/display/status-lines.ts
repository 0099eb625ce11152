// The lines of the live region, as text. Pure: what to show and how wide the terminal is, nothing else.
import type { FunctionProgress, Progress } from "./progress.ts";
import { formatMs, type Style } from "./style.ts";

const SPINNER = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
const BAR_WIDTH = 16;
const MAX_FUNCTIONS = 8;

export interface Frame {
  readonly progress: Progress;
  readonly now: number;
  readonly columns: number;
  readonly style: Style;
}

/** At most a dozen lines, none wider than the terminal. Empty when there is nothing to wait for. */
export function statusLines({ progress, now, columns, style }: Frame): string[] {
  const spinner = SPINNER[Math.floor(now / 100) % SPINNER.length] ?? "";
  const lines: string[] = [];
  for (const image of progress.building()) {
    const head = `${spinner} building image (${formatMs(now - image.startedAt)})  `;
    lines.push(`${style.cyan(head)}${style.dim(clip(image.lastLine, columns - head.length - 1))}`);
  }
  const active = progress.functions(now).filter(isActive);
  const width = Math.max(0, ...active.slice(0, MAX_FUNCTIONS).map((it) => it.name.length));
  for (const it of active.slice(0, MAX_FUNCTIONS)) {
    const parts = functionLine(it, Math.min(width, 24));
    lines.push(`${style.cyan(spinner)} ${clip(parts, columns - 3)}`);
    if (it.waitingReason && it.waiting > 0) lines.push(style.yellow(clip(`    waiting: ${it.waitingReason}`, columns - 1)));
  }
  if (active.length > MAX_FUNCTIONS) lines.push(style.dim(`  and ${active.length - MAX_FUNCTIONS} more functions`));
  return lines;
}

function isActive(it: FunctionProgress): boolean {
  return it.waiting + it.running + it.starting > 0;
}

function functionLine(it: FunctionProgress, nameWidth: number): string {
  const total = it.finished + it.running + it.waiting;
  const containers = `${it.ready} container${it.ready === 1 ? "" : "s"}${it.starting > 0 ? ` + ${it.starting} starting` : ""}`;
  const parts = [`${clip(it.name, nameWidth).padEnd(nameWidth)}  ${bar(it.finished, total)}  ${it.finished}/${total}`];
  if (it.running > 0) parts.push(`${it.running} running`);
  if (it.ratePerSecond >= 0.1) parts.push(`${formatRate(it.ratePerSecond)}/s`);
  parts.push(containers);
  return parts.join(" · ");
}

export function formatRate(perSecond: number): string {
  return perSecond >= 10 ? Math.round(perSecond).toLocaleString("en-US") : perSecond.toFixed(1);
}

function bar(done: number, total: number): string {
  const filled = total === 0 ? 0 : Math.floor((done / total) * BAR_WIDTH);
  return "█".repeat(filled) + "░".repeat(BAR_WIDTH - filled);
}

/** Cuts by code points: a line must not wrap, or the region could not be redrawn. */
function clip(text: string, width: number): string {
  const points = [...text.replaceAll(/\p{Cc}/gu, " ")];
  if (points.length <= width) return points.join("");
  return width <= 1 ? "" : `${points.slice(0, width - 1).join("")}…`;
}
