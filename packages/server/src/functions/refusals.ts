// What a definition may not ask for yet. Nothing is ever ignored: who asks for it is told so by name.
import { Function_DefinitionType as DefinitionType, type Function as FunctionDefinition, LydianError } from "@lydian/protocol";

const OUR_RUNTIME = "lydian-node";

const isSet = (value: unknown): boolean =>
  Array.isArray(value)
    ? value.length > 0
    : value instanceof Uint8Array
      ? value.length > 0
      : typeof value === "object"
        ? value !== null && ("$typeName" in value || Object.keys(value).length > 0)
        : Boolean(value);

/** Field of the definition → what it is called by those who write functions. */
const NOT_SERVED: Partial<Record<keyof FunctionDefinition, string>> = {
  secretIds: "secrets",
  volumeMounts: "volumes",
  sharedVolumeMounts: "network file systems",
  cloudBucketMounts: "bucket mounts",
  schedule: "schedules",
  webhookConfig: "web endpoints",
  httpConfig: "HTTP servers",
  isServer: "HTTP servers",
  proxyId: "proxies",
  isClass: "classes",
  isBuilderFunction: "image build functions",
  checkpointingEnabled: "memory snapshots",
  batchMaxSize: "batching",
  i6pnEnabled: "i6pn networks",
  functionSerialized: "serialized functions",
  classSerialized: "serialized classes",
  ptyInfo: "interactive functions",
  schedulerPlacement: "regions and placement",
  cloudProviderStr: "choice of a cloud",
  ExperimentalGroupSize: "clusters",
  untrusted: "restricted access to the API",
  methodDefinitions: "methods",
};

/** Throws UNIMPLEMENTED for the first thing that is not served. */
export function refuseUnserved(definition: FunctionDefinition): void {
  const { functionName: name, resources } = definition;
  if (definition.runtime !== OUR_RUNTIME) {
    throw new LydianError(
      "unimplemented",
      `The function ${JSON.stringify(name)} is for the runtime ${JSON.stringify(definition.runtime || "of the official Python client")}; only TypeScript functions are served so far.`,
    );
  }
  if ((resources?.gpuConfig?.count ?? 0) > 0 || (resources?.gpuConfig?.gpuType ?? "") !== "") throw notServed(name, "GPUs");
  if (definition.definitionType === DefinitionType.SERIALIZED) throw notServed(name, "serialized functions");
  for (const [field, what] of Object.entries(NOT_SERVED)) {
    if (isSet(definition[field as keyof FunctionDefinition])) throw notServed(name, what);
  }
}

const notServed = (name: string, what: string) =>
  new LydianError("unimplemented", `The function ${JSON.stringify(name)} asks for ${what}, which this server does not offer yet.`, {
    hint: "Remove that option.",
  });
