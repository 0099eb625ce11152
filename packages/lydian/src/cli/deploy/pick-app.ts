// Which app of a file is deployed, and under which name.
import type { RegisteredApp } from "@lydian/protocol";
import { UsageError } from "../exit.ts";

export interface Candidates {
  readonly apps: readonly RegisteredApp[];
  /** Of the file itself. */
  readonly exports: Readonly<Record<string, unknown>>;
}

/**
 * The only app; of several the one that `wanted` names or under which it is exported, else the one exported as `app`. Throws UsageError
 * with everything there is to choose from.
 */
export function pickApp({ apps, exports }: Candidates, wanted: string | undefined, file: string): RegisteredApp {
  const [only, second] = apps;
  if (!only)
    throw new UsageError(`${file} defines no app`, 'It needs one: import { App } from "lydian"; export const app = new App("name");');
  const choices = `There is:\n${apps.map((app) => `  lydian deploy ${file}::${labelOf(app, exports)}`).join("\n")}`;
  if (wanted !== undefined) {
    const found = apps.find((app) => app === exports[wanted]) ?? apps.find(({ name }) => name === wanted);
    if (found) return found;
    throw new UsageError(`${file} has no app "${wanted}"`, choices);
  }
  if (!second) return only;
  const main = apps.find((app) => app === exports.app);
  if (main) return main;
  throw new UsageError(`${file} defines ${apps.length} apps, say which`, choices);
}

const labelOf = (app: RegisteredApp, exports: Candidates["exports"]): string =>
  Object.keys(exports).find((key) => exports[key] === app) ?? app.name ?? "(an app without a name: export it)";

const NAME = /^[A-Za-z0-9._-]{1,64}$/;

/** Throws UsageError for an app without a name, and for a name that cannot be one. */
export function deploymentName(app: RegisteredApp, given: string | undefined): string {
  const name = given ?? app.name;
  if (name === undefined)
    throw new UsageError("the app has no name to deploy it under", 'Give it one: new App("name"), or lydian deploy --name NAME.');
  if (NAME.test(name)) return name;
  throw new UsageError(
    `"${name}" is not a name of a deployment`,
    'It must be 1 to 64 letters, digits, or any of "._-": lydian deploy --name NAME.',
  );
}
