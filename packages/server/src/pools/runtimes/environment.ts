// What a container learns only with its function, so that neither its configuration nor any file holds a secret.
import type { CalledFunction } from "../../calls/functions-port.ts";
import type { LayoutsPort, SecretsPort } from "./ports.ts";

export interface EnvironmentParts {
  readonly secrets: SecretsPort;
  readonly apps: Pick<LayoutsPort, "environmentName">;
}

/** Variables of a function's containers beside those that they were started with. */
export function functionEnvironment(
  { secrets, apps }: EnvironmentParts,
  { definition, environmentId }: CalledFunction,
): Record<string, string> {
  return {
    ...secrets.environment(definition.secretIds),
    MODAL_ENVIRONMENT: apps.environmentName(environmentId),
    MODAL_IMAGE_ID: definition.imageId,
  };
}
