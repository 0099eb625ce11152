/**
 * Define serverless apps in TypeScript and run them on your own machines.
 *
 * @module
 */
export { App, type AppOptions, type EntrypointOptions } from "./app.ts";
export type { AutoscalerOptions } from "./autoscaler.ts";
export type { BatchedOptions } from "./batched.ts";
export type { Batch, ClassHandle, ClassOptions, RemoteInstance } from "./classes/class-types.ts";
export { batched, enter, exit, type MethodOptions, method } from "./classes/decorators.ts";
export { parameter, parameters } from "./classes/parameters.ts";
export { currentInput, type InputContext, isLocal } from "./context.ts";
export { type AppRef, DeployedClasses as Cls, DeployedFunctions as Function, type FromNameOptions } from "./deployed.ts";
export type { Duration } from "./duration.ts";
export {
  AlreadyExistsError,
  AuthError,
  ConflictError,
  ContainerLostError,
  ContainerStartError,
  FunctionCancelledError,
  FunctionTimeoutError,
  InvalidError,
  LydianError,
  NonRetriableError,
  NotFoundError,
  OutOfMemoryError,
  RemoteError,
  RetryAfterError,
  registerError,
  SerializationError,
  TimeoutError,
} from "./errors.ts";
export { type ForwardedTunnel, type ForwardOptions, forward } from "./forward.ts";
export { type CallStatus, FunctionCall, type GetOptions } from "./function-call.ts";
export type {
  AnyIterable,
  BatchedHandle,
  CallableHandle,
  CallOptions,
  DeployedFunction,
  ForEachOptions,
  FunctionHandle,
  FunctionStats,
  GeneratorHandle,
  MapOptions,
  RemoteCallable,
  RemoteGenerator,
  UntypedFunction,
} from "./function-types.ts";
export { type AddLocalOptions, Image, type StepOptions } from "./image/image.ts";
export { type Kw, kw } from "./kw.ts";
export type { MapCall } from "./map-call.ts";
export type { FunctionOptions, Limit } from "./options.ts";
export { bindExports } from "./registry.ts";
export { Retries, type RetriesOptions } from "./retries.ts";
export type { FileInfo } from "./sandbox/filesystem/file-info.ts";
export type { FileIO, FileMode } from "./sandbox/filesystem/file-io.ts";
export type { FileData, Filesystem as SandboxFilesystem } from "./sandbox/filesystem/filesystem.ts";
export type { FileWatchEvent, FileWatchEventType, WatchOptions } from "./sandbox/filesystem/watch.ts";
export type { ListSandboxesOptions, SandboxFromNameOptions } from "./sandbox/find-sandboxes.ts";
export type { InputStream } from "./sandbox/input-stream.ts";
export type { NetworkPolicy } from "./sandbox/network-policy.ts";
export type { OutputStream } from "./sandbox/output-stream.ts";
export { Probe, type ProbeOptions } from "./sandbox/probe.ts";
export type { ContainerProcess, ExecOptions, ProcessResult, StdioMode } from "./sandbox/process.ts";
export type { PtySize } from "./sandbox/pty.ts";
export type { SnapshotOptions } from "./sandbox/running-container.ts";
export { Sandbox } from "./sandbox/sandbox.ts";
export {
  CommandFailedError,
  ExecTimeoutError,
  SandboxFilesystemDirectoryNotEmptyError,
  SandboxFilesystemError,
  SandboxFilesystemFileTooLargeError,
  SandboxFilesystemIsADirectoryError,
  SandboxFilesystemNotADirectoryError,
  SandboxFilesystemNotFoundError,
  SandboxFilesystemPathAlreadyExistsError,
  SandboxFilesystemPermissionError,
  SandboxTerminatedError,
  SandboxTimeoutError,
} from "./sandbox/sandbox-errors.ts";
export type { SandboxOptions } from "./sandbox/sandbox-options.ts";
export type { Sidecar, SidecarOptions } from "./sandbox/sidecars.ts";
export type { Tunnel } from "./sandbox/tunnel.ts";
export { Cron, type CronOptions, Period, type PeriodOptions } from "./schedule.ts";
export {
  type CreateSecretOptions,
  type DeleteSecretOptions,
  type ListSecretsOptions,
  Secret,
  type SecretInfo,
  type Variables,
} from "./secret.ts";
export type { Size } from "./size.ts";
export type { VariantOptions } from "./variant.ts";
