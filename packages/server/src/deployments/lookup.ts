// Finding deployed apps by name, as far as the caller may see them.
import { LydianError } from "@lydian/protocol";
import type { AppRecord, Apps } from "../apps/apps.ts";
import type { Caller } from "../identity/caller.ts";
import type { EnvironmentRecord, Environments } from "../identity/environments.ts";

/** How an app is named in a request. Version 0 is the current one. */
export interface AppByName {
  readonly appName: string;
  readonly environmentName: string;
  readonly appVersion: number;
}

export class Lookup {
  readonly #apps: Apps;
  readonly #environments: Environments;

  constructor(apps: Apps, environments: Environments) {
    this.#apps = apps;
    this.#environments = environments;
  }

  /** A container sees its own environment, which is also its default. */
  environment(caller: Caller, name: string): EnvironmentRecord {
    if (caller.kind !== "container") return this.#environments.require(caller.workspaceId, name);
    const own = this.#environments.nameOf(caller.environmentId);
    const record = this.#environments.require(caller.workspaceId, name || own);
    if (record.id === caller.environmentId) return record;
    throw new LydianError("not_found", `A container of the environment ${JSON.stringify(own)} sees no apps of ${JSON.stringify(name)}.`);
  }

  /** One that lives, by its id. */
  live(caller: Caller, appId: string): AppRecord {
    const app = this.#apps.requireLive(appId, caller.workspaceId);
    if (caller.kind !== "container" || app.environmentId === caller.environmentId) return app;
    throw new LydianError("not_found", `There is no app ${JSON.stringify(appId)} in the environment of this container.`);
  }

  /** Throws `not_found`, with what was looked for. */
  app(caller: Caller, { appName, environmentName, appVersion }: AppByName, what: string): AppRecord {
    const environment = this.environment(caller, environmentName);
    const app = this.#apps.deployed(environment.id, appName);
    const shown = JSON.stringify(appName.slice(0, 100));
    if (app === undefined)
      throw new LydianError(
        "not_found",
        `There is no app ${shown} with a ${what} in the environment ${JSON.stringify(environment.name)}: none is deployed under this name.`,
        { hint: hintOf(this.#apps.list(environment.id)) },
      );
    if (appVersion === 0 || appVersion === app.version) return app;
    const message = `The app ${shown} has version ${app.version}; a ${what} of version ${appVersion} cannot be called.`;
    throw new LydianError(appVersion > app.version ? "not_found" : "unimplemented", message, {
      hint: "Leave the version out, or bring it back with `lydian app rollback`.",
      officialHint: "Leave the version out, or bring it back with `modal app rollback`.",
    });
  }
}

const SHOWN_NAMES = 20;

function hintOf(apps: readonly AppRecord[]): string {
  const names = apps.flatMap(({ state, name }) => (state === "deployed" && name !== "" ? [name] : []));
  if (names.length === 0) return "No app is deployed there: `lydian deploy` and `modal deploy` deploy one.";
  return `Deployed there: ${names.slice(0, SHOWN_NAMES).join(", ")}${names.length > SHOWN_NAMES ? ", …" : "."}`;
}
