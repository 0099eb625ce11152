import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  DataFormat,
  decodePayload,
  encodePayload,
  type FunctionInputSchema,
  LydianError,
  type ModalClient,
  SerializationError,
  type Client as Stub,
} from "@lydian/protocol";
import { currentClient } from "../client.ts";
import { InvalidError } from "../errors.ts";
import { namedArguments } from "../kw.ts";
import { uploadBlob } from "./upload-blob.ts";

/** What servers of ours take inside a message. */
const MAX_INLINE_BYTES = 16 << 20;

export type WireInput = MessageInitShape<typeof FunctionInputSchema>;

export interface InputOptions {
  /** Default: CBOR_TS, which functions of ours read. */
  readonly format?: typeof DataFormat.CBOR | typeof DataFormat.CBOR_TS;
  /** Of a class. */
  readonly method?: string | undefined;
}

/** The arguments as the wire has them; large ones are uploaded first. */
export async function encodeInput(args: readonly unknown[], options?: InputOptions): Promise<WireInput> {
  const { input, bytes } = encodeInline(args, options);
  return isLarge(bytes) ? uploadInput(input) : input;
}

/** Without looking at the size: for callers that know what to do with it. */
export function encodeInline(
  args: readonly unknown[],
  { format = DataFormat.CBOR_TS, method }: InputOptions = {},
): { readonly input: WireInput; readonly bytes: number } {
  const data = encodeArguments(args, format === DataFormat.CBOR_TS);
  const input = { argsOneof: { case: "args", value: data }, dataFormat: format } as const;
  return { input: method === undefined ? input : { ...input, methodName: method }, bytes: data.length };
}

function encodeArguments(args: readonly unknown[], rich: boolean): Uint8Array {
  const named = namedArguments(args.at(-1));
  const positional = named === undefined ? args : args.slice(0, -1);
  const early = positional.findIndex((each) => namedArguments(each) !== undefined);
  if (early !== -1) throw new InvalidError(`Argument ${early + 1} is kw(…), which must be the last one.`);
  try {
    return encodePayload([positional, named ?? {}], { rich });
  } catch (error) {
    if (!(error instanceof SerializationError)) throw error;
    // The place is one in the message; for the caller it is one in an argument.
    const message = error.message.replace(
      / at \[0\]\[(\d+)\](.*)$/,
      (_, index: string, rest: string) => `${rest === "" ? "" : ` at ${rest}`} in argument ${Number(index) + 1}`,
    );
    throw new SerializationError(message, { path: error.path, ...(error.hint === undefined ? {} : { hint: error.hint }) });
  }
}

export const isLarge = (bytes: number): boolean => bytes > MAX_INLINE_BYTES;

export async function uploadInput(input: WireInput): Promise<WireInput> {
  if (input.argsOneof?.case !== "args") return input;
  const data = input.argsOneof.value;
  return { ...input, argsOneof: { case: "argsBlobId", value: await uploadBlob(currentClient(), data, { what: `${data.length} bytes` }) } };
}

interface Carrier {
  readonly dataOneof:
    | { readonly case: "data"; readonly value: Uint8Array }
    | { readonly case: "dataBlobId"; readonly value: string }
    | { readonly case: undefined; readonly value?: undefined };
}

/** The value in a result or in a piece of generator data. */
export async function decodeValue({ dataOneof }: Carrier, format: DataFormat): Promise<unknown> {
  if (dataOneof.case === undefined) return undefined;
  const data = dataOneof.case === "data" ? dataOneof.value : await download(currentClient().modal, dataOneof.value);
  if (format === DataFormat.CBOR || format === DataFormat.CBOR_TS) return decodePayload(data);
  throw new LydianError("unimplemented", `The result is in the format ${DataFormat[format] ?? format}, which this client cannot read.`);
}

async function download(modal: Stub<typeof ModalClient>, blobId: string): Promise<Uint8Array> {
  const { downloadUrl } = await modal.blobGet({ blobId });
  const { status, body } = await currentClient().connection.http(downloadUrl, { method: "GET" });
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk as Uint8Array);
  if (status !== 200) throw new LydianError("unavailable", `A result could not be downloaded: HTTP status ${status}.`);
  return Buffer.concat(chunks);
}
