// Everything of a call that needs the network. Loaded with the first call, so that a container that makes none does not pay for it.
export { callInputs, callStatus, cancelCall } from "./call-info.ts";
export { remoteGenerator } from "./generator.ts";
export { callResult, remote, spawn } from "./invoke.ts";
export { remoteMap } from "./map.ts";
export { stats, updateAutoscaler } from "./stats.ts";
