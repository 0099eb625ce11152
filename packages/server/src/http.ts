// What is served over HTTP/1.1 beside calls: blobs, pages, and whether the server is well.
import type { IncomingMessage, ServerResponse } from "node:http";
import { serveAppPage } from "./apps/page.ts";
import type { Blobs } from "./blobs/blobs.ts";
import { serveBlob } from "./blobs/http.ts";

export async function serveHttp(blobs: Blobs, request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.url === "/healthz") {
    response.writeHead(200, { "content-type": "text/plain" }).end("ok\n");
    return;
  }
  if (serveAppPage(request, response) || (await serveBlob(blobs, request, response))) return;
  response.writeHead(404, { "content-type": "text/plain" }).end("There is nothing here. The API is gRPC.\n");
}
