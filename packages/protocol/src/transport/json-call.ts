// One unary call over HTTP/1.1 with JSON in and out, for programs that have neither HTTP/2 nor our messages at hand: POST the request's
// JSON to the method's path. A refused call is answered as in the Connect protocol (https://connectrpc.com/docs/protocol#unary-request).
import type { IncomingMessage, ServerResponse } from "node:http";
import { create, fromJsonString, type JsonReadOptions, toJsonString } from "@bufbuild/protobuf";
import { ERROR_CODES, LydianError } from "../errors.ts";
import type { Headers, Peer } from "./context.ts";
import { checkSize } from "./framing.ts";
import { type CallEnvironment, type PreparedMethod, ServedCall } from "./served-call.ts";
import { messageForOthers } from "./status.ts";

const JSON_TYPE = "application/json";
const LENIENT: Partial<JsonReadOptions> = { ignoreUnknownFields: true };

/** Whether the request is a call of this kind, whatever its path. */
export function isJsonCall(request: IncomingMessage): boolean {
  return request.method === "POST" && request.headers["content-type"]?.split(";", 1)[0]?.trim() === JSON_TYPE;
}

export class JsonCall<C> extends ServedCall<C> {
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;

  constructor(
    prepared: PreparedMethod<C>,
    environment: CallEnvironment<C>,
    exchange: { readonly request: IncomingMessage; readonly response: ServerResponse },
    peer: Peer,
  ) {
    super(prepared, environment, headersOf(exchange.request), peer);
    this.#request = exchange.request;
    this.#response = exchange.response;
  }

  /** Serves the call; never rejects. */
  async serve(): Promise<void> {
    this.#response.on("close", () => this.abandon());
    try {
      await this.begin();
      const { output, handler } = this.prepared;
      const text = await this.#readRequest();
      if (this.over) return;
      const answer = await handler(parse(this.prepared, text) as never, this);
      if (this.over) return;
      const body = Buffer.from(toJsonString(output, create(output, answer as never)));
      checkSize(body.byteLength, this.environment.maxMessageBytes, "response");
      this.finish();
      this.#send(200, body);
    } catch (error) {
      this.fail(error);
    }
  }

  async #readRequest(): Promise<string> {
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of this.#request as AsyncIterable<Uint8Array>) {
      size += chunk.byteLength;
      checkSize(size, this.environment.maxMessageBytes, "request");
      chunks.push(chunk);
    }
    return Buffer.concat(chunks).toString("utf8");
  }

  protected override sendStatus(error: LydianError): void {
    if (this.#response.headersSent || this.#response.destroyed) return;
    this.#send(ERROR_CODES[error.code].http, Buffer.from(JSON.stringify({ code: error.code, message: messageForOthers(error) })));
  }

  #send(status: number, body: Buffer): void {
    // The rest of a refused request is not read: the connection ends with the answer.
    const ends = this.#request.complete ? {} : { connection: "close" };
    this.#response.writeHead(status, { "content-type": JSON_TYPE, "content-length": body.byteLength, ...ends }).end(body);
  }
}

function parse({ input, path }: Pick<PreparedMethod<never>, "input" | "path">, text: string): unknown {
  try {
    return fromJsonString(input, text, LENIENT);
  } catch (cause) {
    throw new LydianError("invalid_argument", `the request of ${path} is no JSON of a ${input.typeName}: ${(cause as Error).message}`, {
      cause,
    });
  }
}

/** As those of a gRPC call: of one that came several times, the last. */
function headersOf({ headers }: IncomingMessage): Headers {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, (Array.isArray(value) ? value.at(-1) : value) ?? ""]));
}
