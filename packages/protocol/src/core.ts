// What programs need before they talk to a server: errors, and the shapes shared inside one process. Apart from index.ts, so that the
// SDK's part of a container's bundle starts without messages and transport; those are in a chunk that a call inside a container loads.
export * from "./errors.ts";
export { registerError } from "./payload/errors.ts";
export { SerializationError } from "./payload/serialization-error.ts";
export * from "./runtime-contract.ts";
export { cronFault, PERIOD_UNITS, type PeriodParts, periodFault } from "./schedule-rules.ts";
