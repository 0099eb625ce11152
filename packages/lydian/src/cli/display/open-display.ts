import type { Display, DisplayOptions } from "./display.ts";
import { JsonDisplay } from "./json-display.ts";
import { LiveDisplay } from "./live-display.ts";
import { PlainDisplay } from "./plain-display.ts";

/** Live in a terminal, lines when piped, events as JSON on request. */
export function openDisplay(options: DisplayOptions): Display {
  if (options.json) return new JsonDisplay(options);
  if (options.quiet || !options.streams.stderr.isTTY || process.env.TERM === "dumb") return new PlainDisplay(options);
  return new LiveDisplay(options);
}
