// What of a request with a connect token reaches the program inside: not the token, nothing that it could take for the server's word, and
// nothing that is between two ends of one connection only.
import type { ConnectRight } from "./connect-tokens.ts";

/** In a query, or as a cookie. */
const TOKEN_NAME = "_modal_connect_token";
const METADATA_HEADER = "x-verified-user-data";
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  ...["connection", "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization", "te", "trailer"],
  ...["transfer-encoding", "upgrade", "expect"],
]);
const OURS: ReadonlySet<string> = new Set([METADATA_HEADER, "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"]);

export interface ConnectRequest {
  /** Names and values in turn, as they came. */
  readonly rawHeaders: readonly string[];
  readonly url: string;
  readonly remoteAddress: string;
}

export interface FoundToken {
  readonly token: string;
  readonly from: "header" | "query" | "cookie";
}

/** The token that a request carries: in `Authorization`, else in the query, else in a cookie. */
export function tokenOf({ rawHeaders, url }: ConnectRequest): FoundToken | undefined {
  for (const [name, value] of pairs(rawHeaders)) {
    const bearer = name.toLowerCase() === "authorization" ? /^Bearer +(\S+) *$/i.exec(value)?.[1] : undefined;
    if (bearer !== undefined) return { token: bearer, from: "header" };
  }
  const query = url.split("?", 2)[1] ?? "";
  const asked = query.split("&").find(isTokenPair);
  if (asked !== undefined) return { token: asked.slice(TOKEN_NAME.length + 1), from: "query" };
  for (const [name, value] of pairs(rawHeaders)) {
    const cookie = name.toLowerCase() === "cookie" ? value.split(/; */).find(isTokenPair) : undefined;
    if (cookie !== undefined) return { token: cookie.slice(TOKEN_NAME.length + 1), from: "cookie" };
  }
  return undefined;
}

/** Names and values in turn, for the program. `upgrade`: the connection becomes another protocol's. */
export function headersInside(request: ConnectRequest, found: FoundToken, { metadata }: ConnectRight, upgrade: boolean): string[] {
  const named = new Set(HOP_BY_HOP);
  for (const [name, value] of pairs(request.rawHeaders))
    if (name.toLowerCase() === "connection") for (const word of value.split(",")) named.add(word.trim().toLowerCase());
  const kept: string[] = [];
  let host = "";
  for (const [name, value] of pairs(request.rawHeaders)) {
    const lower = name.toLowerCase();
    if (lower === "host") host = value;
    // Gateways for programs cannot tell "_" and "-" apart.
    if (OURS.has(lower.replaceAll("_", "-"))) continue;
    if (named.has(lower) && !(upgrade && (lower === "upgrade" || lower === "connection"))) continue;
    if (lower === "authorization" && found.from === "header") continue;
    const rest = lower === "cookie" ? withoutToken(value, "; ") : value;
    if (rest !== "") kept.push(name, rest);
  }
  kept.push("X-Forwarded-For", request.remoteAddress, "X-Forwarded-Proto", "https");
  if (host !== "") kept.push("X-Forwarded-Host", host);
  // Headers are bytes: those of UTF-8 here.
  if (metadata !== "") kept.push("X-Verified-User-Data", Buffer.from(metadata).toString("latin1"));
  return kept;
}

/** For the client: without what is between the server and the program. */
export function headersOutside(rawHeaders: readonly string[]): string[] {
  return [...pairs(rawHeaders)].flatMap(([name, value]) => (HOP_BY_HOP.has(name.toLowerCase()) ? [] : [name, value]));
}

/** The path and query that the program sees. */
export function urlInside(url: string): string {
  const at = url.indexOf("?");
  if (at < 0) return url;
  const query = withoutToken(url.slice(at + 1), "&");
  return query === "" ? url.slice(0, at) : `${url.slice(0, at)}?${query}`;
}

/** So that what a page loads needs no token in its URLs. Not sent by other sites' requests. */
export const cookieOf = (token: string): string => `${TOKEN_NAME}=${token}; Path=/; Secure; HttpOnly; SameSite=Lax`;

const isTokenPair = (pair: string): boolean => pair.startsWith(`${TOKEN_NAME}=`);

const withoutToken = (text: string, between: "&" | "; "): string =>
  text
    .split(between === "&" ? "&" : /; */)
    .filter((pair) => !isTokenPair(pair))
    .join(between);

function* pairs(rawHeaders: readonly string[]): Generator<[name: string, value: string]> {
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) yield [rawHeaders[i] ?? "", rawHeaders[i + 1] ?? ""];
}
