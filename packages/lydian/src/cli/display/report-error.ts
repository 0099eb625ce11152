// The one place that turns an error into text. A mistake of the user is a sentence and a hint; a fault of ours says so; an
// exception of the user's own code keeps its stack, with the line it came from.
import { ERROR_CODES, LydianError } from "@lydian/protocol";
import { EXIT, UsageError } from "../exit.ts";
import { codeFrame, placeOf } from "./code-frame.ts";
import { type Style, styleFor } from "./style.ts";

export interface RenderOptions {
  readonly style: Style;
  /** Show stacks of Lydian's own errors too. */
  readonly debug: boolean;
  /** Directory against which relative paths in stacks are read. */
  readonly root: string;
}

/** Prints to stderr and returns the exit code. */
export function reportError(error: unknown): number {
  const options = { style: styleFor(process.stderr), debug: Boolean(process.env.LYDIAN_DEBUG), root: process.cwd() };
  process.stderr.write(renderError(error, options));
  return error instanceof UsageError ? EXIT.usage : EXIT.failed;
}

/** A mistake in using Lydian, the command line included. */
export function renderError(error: unknown, options: RenderOptions): string {
  const { style, debug } = options;
  if (error instanceof UsageError) return sentence(error.message, error.hint, style) + stackIf(debug, error, style);
  if (LydianError.is(error) && !isRemote(error)) {
    const ours = ERROR_CODES[error.code].fault === "system" && error.code !== "unavailable";
    const hint = error.hint ?? (ours ? "This looks like a fault of Lydian. LYDIAN_DEBUG=1 shows more." : undefined);
    return sentence(error.message || error.code, hint, style) + stackIf(debug, error, style);
  }
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  if (error instanceof Error && typeof code === "string" && /^E[A-Z]+$/.test(code)) {
    return sentence(error.message, undefined, style) + stackIf(debug, error, style);
  }
  return renderException(error, options);
}

/** An exception of the user's own code, from here or from a container. */
export function renderException(error: unknown, options: RenderOptions): string {
  const { style, root } = options;
  if (!(error instanceof Error)) return sentence(`something that is no Error was thrown: ${String(error)}`, undefined, style);
  const parts = [style.red(`${error.name}: ${error.message}`)];
  const hint = (error as { hint?: unknown }).hint;
  const place = placeOf(error.stack ?? "", root);
  if (place) parts.push(style.dim(`    at ${place.file}:${place.line}:${place.column}`), codeFrame(place, style));
  const frames = (error.stack ?? "")
    .split("\n")
    .filter((line) => /^\s*at /.test(line) && line !== place?.text && (options.debug || isOwn(line)));
  if (frames.length > 0) parts.push(style.dim(frames.join("\n")));
  if (typeof hint === "string") parts.push(`  ${hint}`);
  let text = `${parts.filter((part) => part !== "").join("\n")}\n`;
  if (error instanceof AggregateError)
    for (const item of error.errors.slice(0, 5)) text += `${style.dim("one of:")} ${renderException(item, options)}`;
  if (error.cause instanceof Error) text += `${style.dim("caused by")} ${renderException(error.cause, options)}`;
  return text;
}

/** Errors of a call carry the remote side's own stack and belong to the user's code. */
function isRemote(error: Error): boolean {
  return error.name === "RemoteError" || error.name === "FunctionTimeoutError";
}

function isOwn(line: string): boolean {
  return (
    /:\d+:\d+/.test(line) && !line.includes("node:") && !line.includes("/node_modules/") && !/\/packages\/lydian\/(dist|src)\//.test(line)
  );
}

function sentence(message: string, hint: string | undefined, style: Style): string {
  const tail = hint
    ? `${hint
        .split("\n")
        .map((line) => `  ${line}`)
        .join("\n")}\n`
    : "";
  return `${style.red("lydian:")} ${message}\n${tail}`;
}

function stackIf(debug: boolean, error: Error, style: Style): string {
  return debug ? `${style.dim(error.stack ?? "")}\n${error.cause instanceof Error ? stackIf(true, error.cause, style) : ""}` : "";
}
