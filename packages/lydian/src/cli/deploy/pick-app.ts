// Which of the apps a file defines is meant.
import type { RegisteredApp } from "@lydian/protocol";
import { UsageError } from "../exit.ts";

export interface Candidates {
  readonly apps: readonly RegisteredApp[];
  /** Of the file itself. */
  readonly exports: Readonly<Record<string, unknown>>;
}

/** The only app with something to `command`, or the one of this name or export. Throws UsageError with what there is. */
export function pickApp(
  { apps, exports }: Candidates,
  name: string | undefined,
  file: string,
  command: "deploy" | "serve" = "deploy",
): RegisteredApp {
  if (apps.length === 0)
    throw new UsageError(`${file} defines no app`, 'It needs one: import { App } from "lydian"; export const app = new App("name");');
  const names = apps.map((app) => app.name ?? "(unnamed)").join(", ");
  const candidates = name === undefined ? apps.filter(hasFunctions) : apps.filter((app) => app.name === name || app === exports[name]);
  const [only, second] = candidates;
  if (only && !second && hasFunctions(only)) return only;
  if (second)
    throw new UsageError(`${file} defines ${candidates.length} apps, say which`, `lydian ${command} ${file}::NAME; there is: ${names}`);
  if (name !== undefined && !only) throw new UsageError(`${file} defines no app "${name}"`, `There is: ${names}`);
  throw new UsageError(`the app in ${file} has nothing to ${command}`, "Entrypoints stay here; app.function(…) makes what can be called.");
}

const hasFunctions = (app: RegisteredApp): boolean => app.registered.some(({ kind }) => kind !== "entrypoint");
