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
  AuthError,
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
