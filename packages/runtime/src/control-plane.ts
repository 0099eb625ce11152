// The few operations of the control plane that a container calls. A client of the whole service would make every container read the
// descriptors of all domains at its start, which costs more than loading most functions does.
import {
  answerColumns,
  BlobCreateRequestSchema,
  BlobCreateResponseSchema,
  BlobGetRequestSchema,
  BlobGetResponseSchema,
  type CallOptions,
  type Client,
  type Connection,
  ContainerHeartbeatRequestSchema,
  ContainerHeartbeatResponseSchema,
  deliveriesOf,
  EmptySchema,
  FunctionCallPutDataRequestSchema,
  type FunctionGetInputsItem,
  type FunctionPutOutputsItemSchema,
  type MessageInitShape,
  type ModalClient,
  Runtime,
  TaskResultRequestSchema,
} from "@lydian/protocol";

const MESSAGES = {
  containerHello: [EmptySchema, EmptySchema],
  containerHeartbeat: [ContainerHeartbeatRequestSchema, ContainerHeartbeatResponseSchema],
  functionCallPutDataOut: [FunctionCallPutDataRequestSchema, EmptySchema],
  taskResult: [TaskResultRequestSchema, EmptySchema],
  blobCreate: [BlobCreateRequestSchema, BlobCreateResponseSchema],
  blobGet: [BlobGetRequestSchema, BlobGetResponseSchema],
} as const;

export type OutputInit = Exclude<MessageInitShape<typeof FunctionPutOutputsItemSchema>, { $typeName: string }>;

export interface ControlPlane extends Pick<Client<typeof ModalClient>, keyof typeof MESSAGES> {
  /** Waits until there are inputs. */
  getInputs(
    request: { readonly max: number; readonly batchLingerMs?: number | undefined },
    options: CallOptions,
  ): Promise<readonly FunctionGetInputsItem[]>;
  /** Resolves when they are durable. */
  putOutputs(outputs: readonly OutputInit[]): Promise<void>;
}

export function controlPlane(connection: Connection): ControlPlane {
  const methods = Object.entries(MESSAGES).map(([localName, [input, output]]) => ({
    name: localName[0]?.toUpperCase() + localName.slice(1),
    localName,
    methodKind: "unary",
    input,
    output,
  }));
  const modal = connection.service({ typeName: "modal.client.ModalClient", methods } as unknown as typeof ModalClient);
  const runtime = connection.service(Runtime);
  return {
    ...modal,
    getInputs: async ({ max, batchLingerMs = 0 }, options) =>
      deliveriesOf(await runtime.functionGetInputs({ max, batchLingerMs }, options)),
    putOutputs: async (outputs) => void (await runtime.functionPutOutputs(answerColumns(outputs))),
  };
}
