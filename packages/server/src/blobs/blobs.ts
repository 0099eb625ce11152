// Payloads and files that are too large for a message. A blob is announced, uploaded once, and read any number of times.
import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { LydianError } from "@lydian/protocol";
import { isId, newId } from "../ids.ts";
import { type Contents, isSha256, type StoredContent } from "./contents.ts";
import type { BlobAction, SignedUrls } from "./signed-urls.ts";
import type { BlobRecord, BlobStore } from "./store.ts";

export interface BlobsDependencies {
  readonly store: BlobStore;
  readonly contents: Contents;
  readonly urls: SignedUrls;
  readonly now?: () => number;
}

const MAX_BLOB_BYTES = 64 * 2 ** 30;

export class Blobs {
  readonly #store: BlobStore;
  readonly #contents: Contents;
  readonly #urls: SignedUrls;
  readonly #now: () => number;

  constructor(dependencies: BlobsDependencies) {
    this.#store = dependencies.store;
    this.#contents = dependencies.contents;
    this.#urls = dependencies.urls;
    this.#now = dependencies.now ?? Date.now;
  }

  /** Announces a blob. Throws `invalid_argument` for a size or hash that cannot be. */
  async create(announced: { workspaceId: string; size: number; sha256?: string }): Promise<string> {
    const { workspaceId, size, sha256 } = announced;
    if (!Number.isSafeInteger(size) || size < 0 || size > MAX_BLOB_BYTES)
      throw new LydianError("invalid_argument", `A blob of ${size} bytes cannot be stored: 0 to ${MAX_BLOB_BYTES} bytes are possible.`);
    if (sha256 !== undefined && !isSha256(sha256)) throw new LydianError("invalid_argument", `The blob's SHA-256 is not one: "${sha256}".`);
    const id = newId("bl", this.#now());
    await this.#store.insert({ id, workspaceId, expectedSize: size, expectedSha256: sha256, createdAt: this.#now() });
    return id;
  }

  /** Path and query of a URL that allows one action for an hour. */
  urlPath(action: BlobAction, id: string): string {
    return this.#urls.sign(action, id, this.#now());
  }

  /** What a URL path allows; undefined for paths of others. Throws `permission_denied`. */
  verifyUrlPath(pathAndQuery: string): { readonly action: BlobAction; readonly blobId: string } | undefined {
    return this.#urls.verify(pathAndQuery, this.#now());
  }

  /** Receives the bytes of an announced blob. The same bytes again are fine; others are refused. */
  async upload(id: string, bytes: AsyncIterable<Uint8Array> | Uint8Array): Promise<StoredContent> {
    const blob = this.#require(id);
    const sha256 = blob.content?.sha256 ?? blob.expectedSha256;
    const content = await this.#contents.put(bytes, { size: blob.expectedSize, ...(sha256 === undefined ? {} : { sha256 }) });
    await this.#store.complete(id, content, this.#now());
    return content;
  }

  /** Stores bytes of the server's own, e.g. a large result. */
  async put(workspaceId: string, bytes: Uint8Array): Promise<string> {
    const id = await this.create({ workspaceId, size: bytes.length });
    await this.upload(id, bytes);
    return id;
  }

  /** The uploaded content of a workspace's blob. Throws `not_found`, or `failed_precondition` before the upload. */
  content(id: string, workspaceId: string): { readonly sha256: string; readonly size: number; readonly path: string } {
    const blob = this.#require(id, workspaceId);
    return { ...this.#uploaded(blob), path: this.#contents.path(this.#uploaded(blob).sha256) };
  }

  /** All bytes of a workspace's blob. `maxBytes`: throws `resource_exhausted` beyond. */
  async read(id: string, workspaceId: string, maxBytes: number): Promise<Uint8Array> {
    const { path, size } = this.content(id, workspaceId);
    if (size > maxBytes)
      throw new LydianError("resource_exhausted", `The blob ${id} has ${size} bytes; at most ${maxBytes} can be read at once.`);
    return readFile(path);
  }

  /** Like `content`, for the holder of a signed URL, as a stream. */
  open(id: string): { readonly size: number; readonly md5: string; readonly stream: () => NodeJS.ReadableStream } {
    const content = this.#uploaded(this.#require(id));
    return { size: content.size, md5: content.md5, stream: () => createReadStream(this.#contents.path(content.sha256)) };
  }

  #require(id: string, workspaceId?: string): BlobRecord {
    const blob = isId("bl", id) ? this.#store.get(id) : undefined;
    if (blob === undefined || (workspaceId !== undefined && blob.workspaceId !== workspaceId))
      throw new LydianError("not_found", `There is no blob "${id}".`);
    return blob;
  }

  #uploaded(blob: BlobRecord): { sha256: string; md5: string; size: number } {
    if (blob.content === undefined) throw new LydianError("failed_precondition", `The blob ${blob.id} has not been uploaded yet.`);
    return { ...blob.content, size: blob.expectedSize };
  }
}
