// What the words after FILE mean for the thing that was picked, and how to call it.
import type { RegisteredEntrypoint, RegisteredFunction } from "@lydian/protocol";
import { parseFlags, parsePositionals } from "./flags.ts";
import { flagsHelp } from "./flags-help.ts";

/** Runs it. `onValue` gets each value of a generator as it comes; what a function returns is the result; an entrypoint has none. */
export type Invocation = (onValue: (value: unknown) => void) => Promise<{ readonly result: unknown } | undefined>;

interface EntrypointOptions {
  readonly args?: unknown;
  readonly positionals?: readonly string[];
  readonly short?: Readonly<Record<string, string>>;
}

interface FunctionHandle {
  remote(...args: unknown[]): Promise<unknown>;
  remoteGen(...args: unknown[]): AsyncIterable<unknown>;
}

/** Reads the words now, so that a mistake is told before anything starts. Throws UsageError or HelpRequested. */
export async function prepareInvocation(target: RegisteredEntrypoint | RegisteredFunction, words: readonly string[]): Promise<Invocation> {
  if (target.kind === "entrypoint") {
    const { args, positionals, short } = target.options as EntrypointOptions;
    const value =
      args === undefined ? rawArguments(words) : (await parseFlags(words, { schema: args, ...present({ positionals, short }) })).value;
    return async () => {
      await target.handler(value as never);
      return undefined;
    };
  }
  const args = target.input === undefined ? parsePositionals(words) : [(await parseFlags(words, { schema: target.input })).input];
  const handle = target.handle as FunctionHandle;
  return async (onValue) => {
    if (!target.isGenerator) return { result: await handle.remote(...args) };
    for await (const value of handle.remoteGen(...args)) onValue(value);
    return undefined;
  };
}

/** An entrypoint without a schema gets the words as they are. */
function rawArguments(words: readonly string[]): readonly string[] {
  parsePositionals(words.filter((word) => word === "--help" || word === "-h"));
  return words;
}

export function invocationHelp(target: RegisteredEntrypoint | RegisteredFunction, reference: string): string {
  if (target.kind === "function") return flagsHelp({ reference, schema: target.input, ...present({ params: target.params }) });
  const { args, positionals, short } = target.options as EntrypointOptions;
  return flagsHelp({ reference, schema: args, ...present({ positionals, short }) });
}

/** Without the keys that are undefined. */
function present<T extends object>(object: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as never;
}
