// Stacks that point into the user's own files. Maps lie beside the generated files and are read when something throws for the
// first time, never at start.
import { readFileSync } from "node:fs";
import { SourceMap, type SourceMapPayload } from "node:module";
import { fileURLToPath } from "node:url";
import { codeFrame } from "./code-frame.ts";

/** `    at name (file:///app/main.mjs:1:2)` in its parts: before the file, file, line, column, rest. */
const PLACE = /^(\s+at (?:.*\()?(?:async )?)((?:file:\/\/)?\/[^():]+):(\d+):(\d+)(\)?)$/;

/** `    at name (examples/hello.ts:1:2)` */
const MAPPED_PLACE = /^\s+at (?:.*\()?(?:async )?([^():]+):(\d+):\d+\)?$/;
const NODE_INTERNAL = /^\s+at (?:.*\()?(?:async )?node:internal\//;

export class StackMapper {
  readonly #maps = new Map<string, SourceMap | undefined>();
  /** Text of the original files, by the name they have in mapped stacks. */
  readonly #sources = new Map<string, string | null | undefined>();
  readonly #ownFile: string;

  /** @param ownFile the runtime's file, whose frames are left out */
  constructor(ownFile: string) {
    this.#ownFile = ownFile;
  }

  /** Maps each line whose file has a map; a stack that is mapped already stays as it is. */
  map(stack: string): string {
    const lines: string[] = [];
    for (const line of stack.split("\n")) {
      const mapped = this.#mapLine(line);
      if (mapped !== undefined) lines.push(mapped);
    }
    return lines.join("\n");
  }

  /** The code around the topmost place of a mapped stack that lies in the user's own files. */
  frameOf(mappedStack: string): string | undefined {
    for (const line of mappedStack.split("\n")) {
      const [, source = "", row = ""] = MAPPED_PLACE.exec(line) ?? [];
      if (this.#sources.has(source) && !source.includes("node_modules/")) return codeFrame(this.#sources.get(source), Number(row));
    }
    return undefined;
  }

  /** Undefined for a line that says nothing about the user's code. */
  #mapLine(line: string): string | undefined {
    if (NODE_INTERNAL.test(line)) return undefined;
    const parts = PLACE.exec(line);
    if (!parts) return line;
    const [, before = "", place = "", row = "", column = "", after = ""] = parts;
    const file = place.startsWith("file:") ? fileURLToPath(place) : place;
    if (file === this.#ownFile) return undefined;
    const origin = this.#mapOf(file)?.findEntry(Number(row) - 1, Number(column) - 1);
    if (!origin || !("originalSource" in origin)) return line;
    return `${before}${origin.originalSource}:${origin.originalLine + 1}:${origin.originalColumn + 1}${after}`;
  }

  #mapOf(file: string): SourceMap | undefined {
    if (this.#maps.has(file)) return this.#maps.get(file);
    const payload = readMap(`${file}.map`);
    const map = payload && new SourceMap(payload);
    this.#maps.set(file, map);
    payload?.sources.forEach((source, index) => {
      this.#sources.set(source, payload.sourcesContent?.[index]);
    });
    return map;
  }
}

/** A file without a readable map is shown as it is: a worse stack is better than a second error. */
function readMap(path: string): SourceMapPayload | undefined {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as SourceMapPayload;
  } catch {
    return undefined;
  }
}

/**
 * Makes every `error.stack` read in this process a mapped one, what the user's code prints included. Costs nothing until a stack is read.
 */
export function installStackMapping(mapper: StackMapper): void {
  Error.prepareStackTrace = (error, sites) => {
    const header = headerOf(error);
    return mapper.map([header, ...sites.map((site) => `    at ${String(site)}`)].join("\n"));
  };
}

function headerOf(error: Error): string {
  try {
    return Error.prototype.toString.call(error);
  } catch {
    return "Error";
  }
}
