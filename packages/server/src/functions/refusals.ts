// What a definition may not ask for yet. Nothing is ever ignored: who asks for it is told so by name.
import {
  Function_DefinitionType as DefinitionType,
  type Function as FunctionDefinition,
  type FunctionPrecreateRequest,
  LydianError,
} from "@lydian/protocol";

/** What `Function.runtime` says of a function of our own runtime; all others are run by that of the official Python client. */
export const OUR_RUNTIME = "lydian-node";

const isSet = (value: unknown): boolean =>
  Array.isArray(value)
    ? value.length > 0
    : value instanceof Uint8Array
      ? value.length > 0
      : isMap(value)
        ? Object.keys(value).length > 0
        : Boolean(value);

/** Maps of the wire are plain objects; messages carry their type's name and count as set when they are there. */
const isMap = (value: unknown): value is object => typeof value === "object" && value !== null && !("$typeName" in value);

type Refused = Partial<Record<keyof FunctionDefinition, string>>;

/** Field of the definition → what it is called by those who write functions. */
const NOT_SERVED: Refused = {
  volumeMounts: "volumes",
  sharedVolumeMounts: "network file systems",
  cloudBucketMounts: "bucket mounts",
  webhookConfig: "web endpoints",
  httpConfig: "HTTP servers",
  isServer: "HTTP servers",
  proxyId: "proxies",
  untrusted: "restricted access to the server",
  experimentalOptions: "experimental options",
  i6pnEnabled: "i6pn networks",
  ptyInfo: "interactive functions",
  schedulerPlacement: "regions and placement",
  cloudProviderStr: "choice of a cloud",
  ExperimentalGroupSize: "clusters",
};

/** What only the official runtime does so far. */
const NOT_SERVED_BY_OURS: Refused = {
  isBuilderFunction: "image build functions",
  isMethod: "methods",
  mountClientDependencies: "dependencies of a client",
  checkpointingEnabled: "memory snapshots",
  functionSerialized: "serialized functions",
  classSerialized: "serialized classes",
};

/** Settings of the autoscaler that nothing here obeys yet. */
const NOT_SERVED_SETTINGS = {
  scaleupWindow: "a scale-up window",
  scaledownRateLimit: "a limit of the rate of scaling down",
  targetConcurrencyFloat: "a fractional target of concurrent inputs",
} as const;

/** Throws UNIMPLEMENTED for the first thing that is not served. */
export function refuseUnserved(definition: FunctionDefinition): void {
  const { functionName: name, resources } = definition;
  const isOurs = definition.runtime === OUR_RUNTIME;
  if (resources?.rdma) throw notServed(name, "RDMA");
  if ((resources?.gpuConfig?.count ?? 0) > 0 || (resources?.gpuConfig?.gpuType ?? "") !== "") throw notServed(name, "GPUs");
  if (isOurs && definition.definitionType === DefinitionType.SERIALIZED) throw notServed(name, "serialized functions");
  for (const [field, what] of Object.entries(isOurs ? { ...NOT_SERVED, ...NOT_SERVED_BY_OURS } : NOT_SERVED)) {
    if (isSet(definition[field as keyof FunctionDefinition])) throw notServed(name, what);
  }
  for (const [setting, what] of Object.entries(NOT_SERVED_SETTINGS)) {
    if (definition.autoscalerSettings?.[setting as keyof typeof NOT_SERVED_SETTINGS]) throw notServed(name, what);
  }
}

/** A name is reserved before its definition arrives: what could not be defined later is refused now. */
export function refuseUnservedReservation({
  functionName: name,
  webhookConfig,
  methodDefinitions,
}: Pick<FunctionPrecreateRequest, "functionName" | "webhookConfig" | "methodDefinitions">): void {
  if (webhookConfig) throw notServed(name, "web endpoints");
  if (Object.keys(methodDefinitions).length > 0) throw notServed(name, "methods");
}

const notServed = (name: string, what: string) =>
  new LydianError("unimplemented", `The function ${JSON.stringify(name)} asks for ${what}, which this server does not offer yet.`, {
    hint: "Remove that option.",
  });
