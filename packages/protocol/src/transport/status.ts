// How an error travels: gRPC trailers made from a LydianError, and the other way round.
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { codeFromGrpc, ERROR_CODES, type ErrorCode, type LydianError } from "../errors.ts";
import { StatusSchema } from "../generated/google/rpc/status_pb.js";
import { RPCRetryPolicySchema } from "../generated/modal/client/notices_pb.js";

const TYPE_URL = "type.googleapis.com/";
const RETRY_POLICY_URL = `${TYPE_URL}modal.client.RPCRetryPolicy`;

// Peers refuse header blocks above 8 to 64 KiB, and with them the whole status.
const MAX_MESSAGE_BYTES = 4096;
const HINT_HEADER = "lydian-hint";

/** What is known of a failed call before it becomes an error. */
export interface Failure {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint?: string | undefined;
  readonly retryAfterMs?: number | undefined;
  readonly cause?: unknown;
  /** The connection broke or was never made, so nobody knows whether the server did the work. */
  readonly connectionLost?: boolean;
}

/** Trailers of a failed call. Our clients get the hint by itself, others on a line of its own under the message. */
export function errorTrailers(error: LydianError, isOurs: boolean): Record<string, string> {
  const status = ERROR_CODES[error.code].grpc;
  const message = isOurs ? error.message || error.code : messageForOthers(error);
  const trailers: Record<string, string> = { "grpc-status": String(status), "grpc-message": encodeText(message) };
  if (isOurs && error.hint !== undefined) trailers[HINT_HEADER] = encodeText(error.hint);
  const details = detailsOf(error);
  if (details.length > 0)
    trailers["grpc-status-details-bin"] = encodeBinary(toBinary(StatusSchema, create(StatusSchema, { code: status, message, details })));
  return trailers;
}

/** For clients that know no hints: with the hint, in their words. */
export function messageForOthers({ code, message, hint, officialHint = hint }: LydianError): string {
  return officialHint === undefined ? message || code : `${message || code}\n${officialHint}`;
}

function detailsOf({ retryAfterMs, wireDetail }: LydianError): { typeUrl: string; value: Uint8Array }[] {
  const details = wireDetail === undefined ? [] : [{ typeUrl: TYPE_URL + wireDetail.type, value: wireDetail.value }];
  if (retryAfterMs === undefined) return details;
  const policy = create(RPCRetryPolicySchema, { retryAfterSecs: retryAfterMs / 1000 });
  return [...details, { typeUrl: RETRY_POLICY_URL, value: toBinary(RPCRetryPolicySchema, policy) }];
}

/** The failure that trailers tell of, or undefined for status 0. */
export function failureFromTrailers(trailers: Readonly<Record<string, unknown>>): Failure | undefined {
  const status = Number(trailers["grpc-status"]);
  if (status === 0) return undefined;
  const code = codeFromGrpc(status);
  const message = decodeText(String(trailers["grpc-message"] ?? "")) || `the server answered ${code} without a message`;
  const rawHint = trailers[HINT_HEADER];
  const hint = typeof rawHint === "string" ? decodeText(rawHint) : undefined;
  return { code, message, hint, retryAfterMs: retryAfterMs(trailers["grpc-status-details-bin"]) };
}

function retryAfterMs(details: unknown): number | undefined {
  if (typeof details !== "string") return undefined;
  try {
    const status = fromBinary(StatusSchema, Buffer.from(details, "base64"));
    const policy = status.details.find((detail) => detail.typeUrl === RETRY_POLICY_URL);
    return policy && fromBinary(RPCRetryPolicySchema, policy.value).retryAfterSecs * 1000;
  } catch {
    return undefined; // Details only advise; the status itself has arrived.
  }
}

/** Header values of "-bin" names are unpadded base64 text; node:http2 breaks the connection on a Buffer. */
function encodeBinary(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64").replace(/=+$/, "");
}

/** gRPC's percent-encoding: UTF-8 bytes outside printable ASCII, and the percent sign. */
export function encodeText(text: string): string {
  let bytes = Buffer.from(text, "utf8");
  let cut = "";
  if (bytes.length > MAX_MESSAGE_BYTES) {
    let end = MAX_MESSAGE_BYTES;
    while (((bytes[end] ?? 0) & 0xc0) === 0x80) end--; // never inside a character
    bytes = bytes.subarray(0, end);
    cut = "...";
  }
  let out = "";
  for (const byte of bytes) {
    if (byte >= 0x20 && byte <= 0x7e && byte !== 0x25) out += String.fromCharCode(byte);
    else out += `%${byte < 16 ? "0" : ""}${byte.toString(16).toUpperCase()}`;
  }
  return out + cut;
}

/** Never throws: what is no valid escape stays as it is. */
export function decodeText(text: string): string {
  if (!text.includes("%")) return text;
  const escaped = text.replace(/(?:%[0-9a-fA-F]{2})+/g, (run) => Buffer.from(run.replaceAll("%", ""), "hex").toString("utf8"));
  return escaped;
}
