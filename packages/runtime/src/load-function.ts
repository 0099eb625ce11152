import { pathToFileURL } from "node:url";
import { APPS, LydianError, type RegisteredApp, type RegisteredClass, type RegisteredFunction, serviceName } from "@lydian/protocol";

export interface FunctionReference {
  /** Absolute path of the module to import. */
  readonly module: string;
  readonly appName: string;
  readonly functionName: string;
}

/** Imports the module and finds the function or the class that it registers. What the import throws is thrown as it is. */
export async function loadFunction(reference: FunctionReference): Promise<RegisteredFunction | RegisteredClass> {
  await import(pathToFileURL(reference.module).href);
  return findFunction(registeredApps(), reference);
}

function registeredApps(): readonly RegisteredApp[] {
  return ((globalThis as Record<symbol, unknown>)[APPS] as readonly RegisteredApp[] | undefined) ?? [];
}

/**
 * By app and function name. An app without a name was named by whoever ran it, so it stands in when no app has the name.
 * Throws `not_found` with everything that is registered.
 */
function findFunction(
  apps: readonly RegisteredApp[],
  { module, appName, functionName }: FunctionReference,
): RegisteredFunction | RegisteredClass {
  const named = apps.filter((app) => app.name === appName);
  const candidates = named.length > 0 ? named : apps.filter((app) => app.name === undefined);
  for (const app of candidates) {
    for (const item of app.registered) if (item.kind !== "entrypoint" && servedAs(item) === functionName) return item;
  }
  const known = apps.flatMap((app) =>
    app.registered
      .filter((item) => item.kind !== "entrypoint")
      .map((item) => `${app.name ?? "(app without a name)"}/${servedAs(item) ?? "(unnamed)"}`),
  );
  const registers = known.length > 0 ? `it registers ${known.join(", ")}` : "it registers no function";
  throw new LydianError("not_found", `${module} has no function "${functionName}" in app "${appName}": ${registers}`, {
    hint: "A function must be registered while its module loads: not inside another function, and not behind isLocal().",
  });
}

const servedAs = ({ kind, name }: RegisteredFunction | RegisteredClass) =>
  kind === "class" && name !== undefined ? serviceName(name) : name;
