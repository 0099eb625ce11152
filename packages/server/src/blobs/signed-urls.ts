// Blob URLs carry their own permission: what may be done, with which blob, until when, sealed with a key of this
// server. Clients hand them to plain HTTP libraries, which know nothing of tokens.
import { createHmac, timingSafeEqual } from "node:crypto";
import { LydianError } from "@lydian/protocol";

export type BlobAction = "get" | "put" | "part" | "complete";

const PREFIX = "/blobs/";

export class SignedUrls {
  readonly #key: Uint8Array;
  readonly #lifetimeMs: number;

  /** `lifetimeMs`: how long a URL works. Default one hour. */
  constructor(key: Uint8Array, lifetimeMs = 3_600_000) {
    this.#key = key;
    this.#lifetimeMs = lifetimeMs;
  }

  /** Path and query of a URL for one action on one blob. */
  sign(action: BlobAction, blobId: string, now: number): string {
    const expires = now + this.#lifetimeMs;
    return `${PREFIX}${blobId}/${action}?expires=${expires}&signature=${this.#seal(action, blobId, expires)}`;
  }

  /** What a path and query allow. Undefined for paths of others; throws `permission_denied` for a wrong or old seal. */
  verify(pathAndQuery: string, now: number): { readonly action: BlobAction; readonly blobId: string } | undefined {
    if (!pathAndQuery.startsWith(PREFIX)) return undefined;
    const [, blobId = "", action = "", expires = "", signature = ""] =
      /^\/blobs\/(bl-[0-9A-Za-z]{22})\/(get|put|part|complete)\?expires=(\d{1,16})&signature=([0-9A-Za-z_-]{43})$/.exec(pathAndQuery) ?? [];
    const expected = this.#seal(action as BlobAction, blobId, Number(expires));
    if (blobId === "" || !timingSafeEqual(Buffer.from(signature), Buffer.from(expected))) {
      throw new LydianError("permission_denied", "This blob URL was not given out by this server, or has been changed.");
    }
    if (Number(expires) < now) throw new LydianError("permission_denied", "This blob URL has expired.", { hint: "Ask for a new one." });
    return { action: action as BlobAction, blobId };
  }

  #seal(action: BlobAction, blobId: string, expires: number): string {
    return createHmac("sha256", this.#key).update(`${action}\n${blobId}\n${expires}`).digest("base64url");
  }
}
