// The HTTP side of blobs, over whichever listener a request comes through.
import { createHash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { pipeline } from "node:stream/promises";
import { ERROR_CODES, LydianError } from "@lydian/protocol";
import type { Blobs } from "./blobs.ts";
import type { BlobAction } from "./signed-urls.ts";

/** What a method may do with a URL that was signed for an action. */
const METHODS: Readonly<Record<BlobAction, readonly string[]>> = { get: ["GET", "HEAD"], put: ["PUT"], part: ["PUT"], complete: ["POST"] };
const MAX_COMPLETION_BYTES = 65_536;

/** Serves a blob request. Resolves to false, with nothing done, when the path is not one of a blob. Never rejects. */
export async function serveBlob(blobs: Blobs, request: IncomingMessage, response: ServerResponse): Promise<boolean> {
  try {
    const allowed = blobs.verifyUrlPath(request.url ?? "");
    if (allowed === undefined) return false;
    const methods = METHODS[allowed.action];
    if (!methods.includes(request.method ?? "")) {
      response.setHeader("allow", methods.join(", "));
      throw new LydianError("unimplemented", `This blob URL takes ${methods.join(" or ")}, not ${request.method}.`);
    }
    if (allowed.action === "get") await download(blobs, allowed.blobId, request, response);
    else if (allowed.action === "complete") await complete(blobs, allowed.blobId, request, response);
    else await upload(blobs, allowed.blobId, request, response);
  } catch (error) {
    refuse(error, request, response);
  }
  return true;
}

async function upload(blobs: Blobs, id: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { md5 } = await blobs.upload(id, request);
  response.writeHead(200, { etag: `"${md5}"`, "content-length": 0 }).end();
}

async function download(blobs: Blobs, id: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { size, md5, stream } = blobs.open(id);
  response.writeHead(200, {
    "content-type": "application/octet-stream",
    "content-length": size,
    etag: `"${md5}"`,
    "cache-control": "private, immutable",
  });
  if (request.method === "HEAD") response.end();
  else await pipeline(stream(), response);
}

/** Uploads have one part; its ETag, hashed again as S3 does, is what clients compare. */
async function complete(blobs: Blobs, id: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  let size = 0;
  for await (const chunk of request as AsyncIterable<Uint8Array>) {
    size += chunk.length;
    if (size > MAX_COMPLETION_BYTES)
      throw new LydianError("invalid_argument", `The completion has more than ${MAX_COMPLETION_BYTES} bytes.`);
  }
  const { md5 } = blobs.open(id);
  const etag = `${createHash("md5").update(Buffer.from(md5, "hex")).digest("hex")}-1`;
  const body = `<?xml version="1.0" encoding="UTF-8"?>\n<CompleteMultipartUploadResult><ETag>"${etag}"</ETag></CompleteMultipartUploadResult>`;
  response.writeHead(200, { "content-type": "application/xml", "content-length": Buffer.byteLength(body), etag: `"${etag}"` }).end(body);
}

function refuse(error: unknown, request: IncomingMessage, response: ServerResponse): void {
  if (response.headersSent || response.destroyed) {
    response.destroy(); // The client must not take what it has for the whole.
    return;
  }
  const known = LydianError.is(error);
  const status = known ? ERROR_CODES[error.code].http : 500;
  const text = known ? error.message : "The blob could not be served because of an error of the server.";
  // The rest of a refused upload is not read: the connection ends with the answer.
  const ends = request.complete ? {} : { connection: "close" };
  response.writeHead(status, { "content-type": "text/plain; charset=utf-8", "content-length": Buffer.byteLength(text), ...ends }).end(text);
}
