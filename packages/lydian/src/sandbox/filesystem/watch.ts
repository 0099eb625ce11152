import { type Duration, durationMs } from "../../duration.ts";
import { InvalidError } from "../../errors.ts";
import { showValue } from "../../show-value.ts";
import type { ExecPlace } from "../process.ts";
import { endTool, type FileCommand, startTool } from "./file-tool.ts";

export type FileWatchEventType = "unknown" | "access" | "create" | "modify" | "remove";

export interface FileWatchEvent {
  readonly type: FileWatchEventType;
  /** One, or of a rename both. */
  readonly paths: readonly string[];
}

export interface WatchOptions {
  /** Also what is in directories below. Default false. */
  readonly recursive?: boolean;
  /** Only events of these types. Default: all. */
  readonly filter?: readonly FileWatchEventType[];
  /** The end of the watch. Whole seconds, rounded up. Default: none. */
  readonly timeout?: Duration;
  readonly signal?: AbortSignal;
}

const ON_WIRE: Readonly<Record<FileWatchEventType, readonly string[]>> = {
  unknown: ["Unknown"],
  access: ["Access"],
  create: ["Create"],
  // A rename changes what is there under a name.
  modify: ["Modify", "Rename", "RenameFrom", "RenameTo"],
  remove: ["Remove"],
};

/** Changes as they happen. Leaving the loop ends the watch. */
export async function* watchFiles(
  place: ExecPlace,
  path: string,
  { recursive = false, filter, timeout, signal }: WatchOptions,
): AsyncGenerator<FileWatchEvent, void, undefined> {
  const command: FileCommand = {
    name: "Watch",
    path,
    arguments: {
      recursive,
      filter: filter === undefined ? null : filter.flatMap(onWire),
      timeout_secs: timeout === undefined ? null : Math.ceil(durationMs(timeout, "`timeout`") / 1000),
    },
    signal,
  };
  const process = startTool(place, command);
  let hasEnded = false;
  try {
    for await (const line of process.stdout.lines()) if (line !== "") yield eventOf(line);
    hasEnded = true;
    await endTool(process, command);
  } finally {
    // The end of its input is what ends it.
    if (!hasEnded) await process.stdin.end().catch(() => undefined);
  }
}

function onWire(type: FileWatchEventType): readonly string[] {
  if (Object.hasOwn(ON_WIRE, type)) return ON_WIRE[type];
  throw new InvalidError(`\`filter\` has ${showValue(type)}; there are: ${Object.keys(ON_WIRE).join(", ")}.`);
}

function eventOf(line: string): FileWatchEvent {
  const { event_type: told, paths } = JSON.parse(line) as { event_type?: string; paths?: string[] };
  const known = (Object.keys(ON_WIRE) as FileWatchEventType[]).find((type) => ON_WIRE[type].includes(told ?? ""));
  return { type: known ?? "unknown", paths: paths ?? [] };
}
