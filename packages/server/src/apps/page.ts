// What a browser finds at the URL that clients print for an app. It tells nothing that needs a token: how to look at the app, no more.
import type { IncomingMessage, ServerResponse } from "node:http";
import type { CallContext } from "@lydian/protocol";
import type { Caller } from "../identity/caller.ts";
import { isId } from "../ids.ts";
import { publicUrlFor } from "../public-url.ts";

const PATH = "/apps/";

/** Empty for a client that did not come over TCP: it is told nothing that its browser could open. */
export function appPageUrl(appId: string, context: CallContext<Caller>): string {
  return context.peer.transport === "unix" ? "" : `${publicUrlFor(context, undefined)}${PATH}${appId}`;
}

/** Serves a page of an app. Answers false, with nothing done, for other paths. */
export function serveAppPage(request: IncomingMessage, response: ServerResponse): boolean {
  const id = request.url?.startsWith(PATH) === true ? request.url.slice(PATH.length) : "";
  if (!isId("ap", id)) return false;
  const lines = [`The app ${id} of a Lydian server.`, "", "What it prints:", `  lydian app logs ${id}`, `  modal app logs ${id}`, ""];
  response.writeHead(200, { "content-type": "text/plain; charset=utf-8", "cache-control": "no-store" }).end(lines.join("\n"));
  return true;
}
