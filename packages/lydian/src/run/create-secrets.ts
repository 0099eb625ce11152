// Secrets of an app's functions as ids of the server.
import { ObjectCreationType } from "@lydian/protocol";
import type { App } from "../app.ts";
import type { Client } from "../client.ts";
import type { FunctionOptions } from "../options.ts";
import type { Secret } from "../secret.ts";
import type { Served } from "./create-classes.ts";

export interface SecretContext {
  readonly client: Client;
  readonly appId: string;
  readonly environment: string;
  readonly signal?: AbortSignal | undefined;
}

/** Those of the app first: of one variable the function's own counts. */
export function secretsOf(fn: Served, app: App): readonly Secret[] {
  const own = (fn.options as FunctionOptions).secrets ?? [];
  return [...((app.options.secrets as readonly Secret[] | undefined) ?? []), ...own];
}

export async function createSecret({ source }: Secret, { client, appId, environment, signal }: SecretContext): Promise<string> {
  const request =
    source.kind === "name"
      ? { deploymentName: source.name, environmentName: source.environment ?? environment, requiredKeys: [...source.requiredKeys] }
      : { appId, objectCreationType: ObjectCreationType.ANONYMOUS_OWNED_BY_APP, envDict: source.read() };
  const { secretId } = await client.modal.secretGetOrCreate(request, signal ? { signal } : {});
  return secretId;
}
