// Runs containers: image in, process out. Knows nothing of apps or functions.

export type { Agent, AgentProcess, ExecSpec, KeptProcess, ProcessState, RequestOptions, Taken } from "./agent/agent.ts";
export { AgentError, type AgentStep } from "./agent/agent-error.ts";
export type {
  AgentFiles,
  FileContent,
  FileEntry,
  FileEvent,
  FilePath,
  FileWatch,
  OpenFile,
  OpenMode,
  ReadOptions,
  WriteOptions,
} from "./agent/agent-files.ts";
export { type AgentListener, type AgentListenerOptions, listenForAgent } from "./agent/listener.ts";
export { agentProgram, findAgentProgram } from "./agent/program.ts";
export { type CreateHostOptions, createHost } from "./create-host.ts";
export type { Check } from "./doctor/check.ts";
export { checkHost } from "./doctor/doctor.ts";
export type {
  AllowList,
  Bind,
  CommitOptions,
  Container,
  ContainerHost,
  ContainerSpec,
  ContainerStats,
  EnteredProcess,
  EnterSpec,
  Exit,
  HostFeatures,
  Isolation,
  Limits,
  NetworkPolicy,
  OutputChunk,
} from "./host.ts";
export { ISOLATIONS } from "./host.ts";
export * from "./images/index.ts";
export { isAddressRange, isDomain } from "./network-policy.ts";
export { BIND_PATHS_VARIABLE } from "./process/paths.ts";
