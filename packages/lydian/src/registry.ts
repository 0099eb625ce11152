// What modules register while they load, and the names that their exports give it.
import { APPS, type RegisteredApp, type RegisteredClass, type RegisteredEntrypoint, type RegisteredFunction } from "@lydian/protocol/core";
import { InvalidError } from "./errors.ts";

type Registration = RegisteredFunction | RegisteredClass | RegisteredEntrypoint;

const shared = globalThis as Record<symbol, unknown>;
const NAME = /^[A-Za-z0-9_.$-]{1,128}$/;

/** Every App created in this process, by whichever copy of the package. */
export function registeredApps(): RegisteredApp[] {
  shared[APPS] ??= [];
  return shared[APPS] as RegisteredApp[];
}

export const isName = (name: unknown): name is string => typeof name === "string" && NAME.test(name);

export function checkName(name: unknown, what: string): void {
  if (!isName(name))
    throw new InvalidError(`${JSON.stringify(name)} is not a name of ${what}: 1 to 128 letters, digits, or any of "_.$-".`);
}

/** Throws when the app has another registration of this name. */
export function refuseDuplicate(app: RegisteredApp, name: string, of?: Registration): void {
  if (app.registered.some((other) => other !== of && other.name === name)) {
    throw new InvalidError(`Two things in the app ${JSON.stringify(app.name ?? "")} are named ${JSON.stringify(name)}.`, {
      hint: 'Give one of them another name: { name: "…" }',
    });
  }
}

/**
 * Gives registrations the names under which a module exports them. Called by code that the bundler appends to each module.
 * A name that was given explicitly stays.
 */
export function bindExports(file: string, exports: Readonly<Record<string, unknown>>): void {
  const byHandle = new Map<unknown, [RegisteredApp, Registration]>();
  for (const app of registeredApps()) for (const registration of app.registered) byHandle.set(registration.handle, [app, registration]);
  const here = new Set<Registration>();
  const named: [RegisteredApp, Registration, string][] = [];
  for (const [name, value] of Object.entries(exports)) {
    const [app, registration] = byHandle.get(value) ?? [];
    if (!app || !registration) continue;
    if (registration.file !== undefined && !here.has(registration)) continue;
    registration.file = file;
    here.add(registration);
    if (name === "default" || typeof registration.options.name === "string" || named.some(([, other]) => other === registration)) continue;
    checkName(name, "a function");
    registration.name = name;
    named.push([app, registration, name]);
  }
  // Only now: until all have their names, one may still have that of another's handler.
  for (const [app, registration, name] of named) refuseDuplicate(app, name, registration);
}
