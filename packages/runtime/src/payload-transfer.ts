// Payloads too large for a message move as blobs, over plain HTTP on the same socket.
import { createHash } from "node:crypto";
import { type Connection, LydianError } from "@lydian/protocol";
import type { ControlPlane } from "./control-plane.ts";

/** Data in a message: itself, or the id of the blob that holds it. */
export type PlacedData = { case: "data"; value: Uint8Array } | { case: "dataBlobId"; value: string };

export class PayloadTransfer {
  readonly #connection: Connection;
  readonly #client: ControlPlane;
  readonly #maxInlineBytes: number;

  /** @param options.maxInlineBytes larger payloads become blobs */
  constructor(options: { connection: Connection; client: ControlPlane; maxInlineBytes: number }) {
    this.#connection = options.connection;
    this.#client = options.client;
    this.#maxInlineBytes = options.maxInlineBytes;
  }

  async place(bytes: Uint8Array, signal?: AbortSignal): Promise<PlacedData> {
    if (bytes.byteLength <= this.#maxInlineBytes) return { case: "data", value: bytes };
    return { case: "dataBlobId", value: await this.#upload(bytes, signal) };
  }

  async download(blobId: string, signal?: AbortSignal): Promise<Uint8Array> {
    const { downloadUrl } = await this.#client.blobGet({ blobId }, { signal });
    const response = await this.#connection.http(downloadUrl, { signal });
    const chunks: Uint8Array[] = [];
    for await (const chunk of response.body) chunks.push(chunk as Uint8Array);
    const body = Buffer.concat(chunks);
    if (response.status !== 200) throw transferError(`reading blob ${blobId}`, response.status, body);
    return body;
  }

  async #upload(bytes: Uint8Array, signal?: AbortSignal): Promise<string> {
    const md5 = createHash("md5").update(bytes).digest("base64");
    const created = await this.#client.blobCreate(
      {
        contentMd5: md5,
        contentSha256Base64: createHash("sha256").update(bytes).digest("base64"),
        contentLength: BigInt(bytes.byteLength),
      },
      { signal },
    );
    if (created.uploadTypeOneof.case !== "uploadUrl") {
      throw new LydianError(
        "unimplemented",
        `the server wants a payload of ${bytes.byteLength} bytes in parts, which this runtime cannot send`,
      );
    }
    const response = await this.#connection.http(created.uploadTypeOneof.value, {
      method: "PUT",
      headers: { "content-md5": md5, "content-type": "application/octet-stream" },
      body: bytes,
      signal,
    });
    const answer: Uint8Array[] = [];
    for await (const chunk of response.body) answer.push(chunk as Uint8Array);
    if (response.status >= 300)
      throw transferError(`sending a payload of ${bytes.byteLength} bytes`, response.status, Buffer.concat(answer));
    return created.blobId;
  }
}

function transferError(what: string, status: number, body: Buffer): LydianError {
  const text = body.subarray(0, 500).toString().trim();
  return new LydianError("unavailable", `${what} failed with HTTP status ${status}${text ? `: ${text}` : ""}`);
}
