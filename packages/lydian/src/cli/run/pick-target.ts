// Which of the things a file registers is meant: an entrypoint that runs here, or a function that is called remotely.
import type { RegisteredApp, RegisteredEntrypoint, RegisteredFunction } from "@lydian/protocol";
import { UsageError } from "../exit.ts";

export interface Picked {
  readonly app: RegisteredApp;
  readonly target: RegisteredEntrypoint | RegisteredFunction;
}

const named = (item: RegisteredEntrypoint | RegisteredFunction) => item.name ?? "(unnamed)";

/**
 * One entrypoint: it. Several: `name` chooses. None: the only function, or the one that `name` chooses.
 * Throws UsageError with everything there is to choose from.
 */
export function pickTarget(apps: readonly RegisteredApp[], name: string | undefined, file: string): Picked {
  if (apps.length === 0) {
    throw new UsageError(`${file} defines no app`, 'It needs one: import { App } from "lydian"; export const app = new App("name");');
  }
  const all = apps.flatMap((app) => app.registered.flatMap((target): Picked[] => (target.kind === "class" ? [] : [{ app, target }])));
  const entrypoints = all.filter(({ target }) => target.kind === "entrypoint");
  const functions = all.filter(({ target }) => target.kind === "function");
  if (name !== undefined) {
    const found = all.filter(({ target }) => target.name === name);
    if (found[0]) return found[0];
    if (apps.some(({ registered }) => registered.some((item) => item.kind === "class" && item.name === name)))
      throw new UsageError(`${name} in ${file} is a class, which cannot be run by itself`, CLASSES);
    throw new UsageError(`${file} has no function or entrypoint "${name}"`, choices(file, all));
  }
  const [only, second] = entrypoints;
  if (only && !second) return only;
  if (only) {
    throw new UsageError(`${file} has ${entrypoints.length} entrypoints, say which`, choices(file, entrypoints));
  }
  const [single, other] = functions;
  if (single && !other) return single;
  if (single) {
    throw new UsageError(`${file} has no entrypoint and ${functions.length} functions, say which`, choices(file, functions));
  }
  const hasClass = apps.some(({ registered }) => registered.length > 0);
  throw new UsageError(
    `the app in ${file} has no function and no entrypoint`,
    hasClass ? CLASSES : "app.function(…) and app.localEntrypoint(…) register them.",
  );
}

const CLASSES =
  "Call the methods of a class in an entrypoint: app.localEntrypoint(async () => console.log(await new Model().run.remote()));";

function choices(file: string, items: readonly Picked[]): string {
  if (items.length === 0) return "It registers nothing: app.function(…) and app.localEntrypoint(…) do.";
  const lines = items.map(({ target }) => {
    if (target.name === undefined)
      return `  (${target.kind === "function" ? "a function" : "an entrypoint"} without a name: export it, or pass { name })`;
    return `  lydian run ${file}::${named(target)}`;
  });
  return `There is:\n${lines.join("\n")}`;
}
