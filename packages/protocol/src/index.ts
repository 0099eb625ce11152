export type { DescService, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
export { clone, create, equals, fromBinary, toBinary } from "@bufbuild/protobuf";
export type { Empty, Timestamp } from "@bufbuild/protobuf/wkt";
export { EmptySchema, TimestampSchema, timestampDate, timestampFromMs, timestampMs, timestampNow } from "@bufbuild/protobuf/wkt";
export { Bag, type Bagged } from "./bag.ts";
export { packCallIds, unpackCallIds } from "./bulk/call-ids.ts";
export { deliveriesOf, deliveryColumns, inputColumns, inputsOf } from "./bulk/input-columns.ts";
export { inputId, MAX_IDX, parseInputId } from "./bulk/input-ids.ts";
export { answerColumns, answersOf, resultColumns, resultsOf } from "./bulk/output-columns.ts";
export * from "./errors.ts";
export * from "./generated/lydian/v1/bulk_pb.js";
export * from "./generated/lydian/v1/columns_pb.js";
export * from "./generated/lydian/v1/lydian_pb.js";
export * from "./generated/lydian/v1/processes_pb.js";
export * from "./generated/lydian/v1/runtime_pb.js";
export * from "./generated/modal/client/apps_pb.js";
export * from "./generated/modal/client/blobs_pb.js";
export * from "./generated/modal/client/calls_pb.js";
export * from "./generated/modal/client/classes_pb.js";
export * from "./generated/modal/client/container_arguments_pb.js";
export * from "./generated/modal/client/container_files_pb.js";
export * from "./generated/modal/client/containers_pb.js";
export * from "./generated/modal/client/execution_pb.js";
export * from "./generated/modal/client/function_definition_pb.js";
export * from "./generated/modal/client/functions_pb.js";
export * from "./generated/modal/client/identity_pb.js";
export * from "./generated/modal/client/images_pb.js";
export * from "./generated/modal/client/mounts_pb.js";
export * from "./generated/modal/client/notices_pb.js";
export * from "./generated/modal/client/objects_pb.js";
export * from "./generated/modal/client/sandboxes_pb.js";
export * from "./generated/modal/client/secrets_pb.js";
export * from "./generated/modal/client/service_pb.js";
export * from "./generated/modal/client/tunnels_pb.js";
export * from "./generated/modal/task_command_router/task_command_router_pb.js";
export { errorFromWire, errorToWire, registerError, type WireError } from "./payload/errors.ts";
export { type DecodeLimits, decodePayload, type EncodeOptions, encodePayload } from "./payload/payload.ts";
export { SerializationError } from "./payload/serialization-error.ts";
export { Tagged } from "./payload/tags.ts";
export * from "./runtime-contract.ts";
export { cronFault, PERIOD_UNITS, type PeriodParts, periodFault } from "./schedule-rules.ts";
export {
  type CallOptions,
  type Client,
  type Connection,
  type ConnectOptions,
  connect,
} from "./transport/client.ts";
export type { CallContext, Headers, Peer } from "./transport/context.ts";
export type { HttpRequest, HttpResponse } from "./transport/http-client.ts";
export type { ListenAt } from "./transport/listening-socket.ts";
export { PROTOCOL_VERSION, PROTOCOL_VERSION_HEADER } from "./transport/protocol-version.ts";
export { createServer, type GrpcServer, type Listener, type ServerOptions } from "./transport/server.ts";
export { type Handlers, type ServiceDefinition, service } from "./transport/service.ts";
