// Tokens of a short life that the JavaScript and Go clients insist on before their first call. Nothing here accepts one yet:
// every call is judged by the token of its owner or the socket that it comes from.
import { createHmac, randomBytes } from "node:crypto";
import type { Caller } from "./caller.ts";

const LIFE_SECONDS = 3_600;
const HEADER = { alg: "HS256", typ: "JWT" };

export class AuthTokens {
  /** Of this process: clients ask again when a token is refused. */
  readonly #key = randomBytes(32);
  readonly #now: () => number;

  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  /** A JWT. Its payload is plain ASCII, which clients that decode it as plain base64 rely on. */
  issue(caller: Caller): string {
    const issuedAt = Math.floor(this.#now() / 1000);
    const sub = caller.kind === "client" ? caller.tokenId : caller.taskId;
    const signed = `${encoded(HEADER)}.${encoded({ sub, iat: issuedAt, exp: issuedAt + LIFE_SECONDS })}`;
    return `${signed}.${createHmac("sha256", this.#key).update(signed).digest("base64url")}`;
  }
}

const encoded = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
