// Runs containers: image in, process out. Knows nothing of apps or functions.

export { type CreateHostOptions, createHost } from "./create-host.ts";
export type { Check } from "./doctor/check.ts";
export { checkHost } from "./doctor/doctor.ts";
export type { Bind, Container, ContainerHost, ContainerSpec, ContainerStats, Exit, HostFeatures, Limits, OutputChunk } from "./host.ts";
export * from "./images/index.ts";
export { BIND_PATHS_VARIABLE } from "./process/paths.ts";
