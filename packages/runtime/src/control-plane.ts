// The few operations of the control plane that a container calls. A client of the whole service would make every container read the
// descriptors of all domains at its start, which costs more than loading most functions does.
import {
  BlobCreateRequestSchema,
  BlobCreateResponseSchema,
  BlobGetRequestSchema,
  BlobGetResponseSchema,
  type Client,
  type Connection,
  ContainerHeartbeatRequestSchema,
  ContainerHeartbeatResponseSchema,
  EmptySchema,
  FunctionCallPutDataRequestSchema,
  FunctionGetInputsRequestSchema,
  FunctionGetInputsResponseSchema,
  FunctionPutOutputsRequestSchema,
  type ModalClient,
  TaskResultRequestSchema,
} from "@lydian/protocol";

const MESSAGES = {
  containerHello: [EmptySchema, EmptySchema],
  containerHeartbeat: [ContainerHeartbeatRequestSchema, ContainerHeartbeatResponseSchema],
  functionGetInputs: [FunctionGetInputsRequestSchema, FunctionGetInputsResponseSchema],
  functionPutOutputs: [FunctionPutOutputsRequestSchema, EmptySchema],
  functionCallPutDataOut: [FunctionCallPutDataRequestSchema, EmptySchema],
  taskResult: [TaskResultRequestSchema, EmptySchema],
  blobCreate: [BlobCreateRequestSchema, BlobCreateResponseSchema],
  blobGet: [BlobGetRequestSchema, BlobGetResponseSchema],
} as const;

export type ControlPlane = Pick<Client<typeof ModalClient>, keyof typeof MESSAGES>;

export function controlPlane(connection: Connection): ControlPlane {
  const methods = Object.entries(MESSAGES).map(([localName, [input, output]]) => ({
    name: localName[0]?.toUpperCase() + localName.slice(1),
    localName,
    methodKind: "unary",
    input,
    output,
  }));
  return connection.service({ typeName: "modal.client.ModalClient", methods } as unknown as typeof ModalClient);
}
