import { createHash } from "node:crypto";
import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import http from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BlobCreateRequestSchema, BlobGetRequestSchema, create } from "@lydian/protocol";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Database } from "../database/database.ts";
import { testContext } from "../images/test-context.ts";
import { openTestDatabase } from "../images/test-database.ts";
import { loadKey } from "../key-file.ts";
import { Blobs } from "./blobs.ts";
import { Contents } from "./contents.ts";
import { serveBlob } from "./http.ts";
import { createBlobsRpc } from "./rpc.ts";
import { SignedUrls } from "./signed-urls.ts";
import { BlobStore } from "./store.ts";

const DATA = Buffer.from("some bytes of a payload");
const md5 = (data: Buffer): string => createHash("md5").update(data).digest("hex");
const sha256 = (data: Buffer): Buffer => createHash("sha256").update(data).digest();

let dir: string;
let database: Database;
let blobs: Blobs;
let contents: Contents;
let server: http.Server;
let url: string;
let now = 1_000_000;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "lydian-blobs-"));
  database = await openTestDatabase();
  contents = await Contents.open(join(dir, "contents"));
  blobs = new Blobs({
    store: new BlobStore(database),
    contents,
    urls: new SignedUrls(await loadKey(join(dir, "key"), "")),
    now: () => now,
  });
  server = http.createServer((request, response) => {
    void serveBlob(blobs, request, response).then((served) => {
      if (!served) response.writeHead(404).end("other");
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  url = `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`;
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  database.close();
  await rm(dir, { recursive: true, force: true });
});

describe("blobs over HTTP", () => {
  const rpc = () => createBlobsRpc({ blobs });
  const announce = async (data: Buffer, workspaceId = "ac-1", sha = sha256(data).toString("base64")) => {
    const request = create(BlobCreateRequestSchema, { contentLength: BigInt(data.length), contentSha256Base64: sha });
    return await rpc().blobCreate?.(request, testContext({ workspaceId, headers: { ":authority": new URL(url).host } }));
  };
  const uploadUrl = (answer: Awaited<ReturnType<typeof announce>>): string =>
    answer?.uploadTypeOneof?.case === "uploadUrl" ? (answer.uploadTypeOneof.value ?? "") : "";

  it("takes a single upload and gives the bytes back", async () => {
    const answer = await announce(DATA);
    const put = await fetch(uploadUrl(answer), { method: "PUT", body: DATA });
    expect([put.status, put.headers.get("etag")]).toEqual([200, `"${md5(DATA)}"`]);
    const found = await rpc().blobGet?.(
      create(BlobGetRequestSchema, { blobId: answer?.blobId ?? "" }),
      testContext({ workspaceId: "ac-1", headers: { ":authority": new URL(url).host } }),
    );
    const got = await fetch(found?.downloadUrl ?? "");
    expect(Buffer.from(await got.arrayBuffer())).toEqual(DATA);
    expect(got.headers.get("content-length")).toBe(String(DATA.length));
  });

  it("takes an upload of one part with its completion", async () => {
    const answer = await announce(DATA);
    const types = answer?.uploadTypesOneof;
    const part = types?.case === "multiparts" ? types.value?.items?.[0] : undefined;
    expect(part?.partLength).toBe(BigInt(DATA.length));
    expect((await fetch(part?.uploadUrls?.[0] ?? "", { method: "PUT", body: DATA })).headers.get("etag")).toContain(md5(DATA));
    const done = await fetch(part?.completionUrl ?? "", { method: "POST", body: "<CompleteMultipartUpload/>" });
    expect(await done.text()).toContain(`${md5(Buffer.from(md5(DATA), "hex"))}-1`);
  });

  it("refuses other bytes than announced, and keeps nothing of them", async () => {
    for (const body of [Buffer.from("other bytes of the same"), Buffer.concat([DATA, DATA]), DATA.subarray(1)]) {
      const put = await fetch(uploadUrl(await announce(DATA)), { method: "PUT", body });
      expect([put.status, await put.text()]).toEqual([400, expect.stringMatching(/announced/)]);
    }
    expect(await readdir(join(dir, "contents"))).toEqual([".tmp"]);
    expect(await readdir(join(dir, "contents/.tmp"))).toEqual([]);
  });

  it("refuses URLs that were changed, are old, or are for something else", async () => {
    const answer = await announce(DATA);
    const good = uploadUrl(answer);
    expect((await fetch(good.replace(/signature=./, "signature=_"), { method: "PUT", body: DATA })).status).toBe(403);
    expect((await fetch(good.replace("/put?", "/get?"))).status).toBe(403);
    expect((await fetch(good)).status).toBe(501);
    now += 3_600_001;
    expect(await (await fetch(good, { method: "PUT", body: DATA })).text()).toContain("expired");
    expect((await fetch(`${url}/other`)).status).toBe(404);
  });

  it("does not show a blob to another workspace, nor one that is not uploaded", async () => {
    const answer = await announce(DATA);
    const id = answer?.blobId ?? "";
    expect(() => blobs.content(id, "ac-1")).toThrow(/not been uploaded/);
    await blobs.upload(id, DATA);
    expect(() => blobs.content(id, "ac-2")).toThrow(/There is no blob/);
    expect(Buffer.from(await blobs.read(id, "ac-1", 100))).toEqual(DATA);
    await expect(blobs.read(id, "ac-1", 3)).rejects.toMatchObject({ code: "resource_exhausted" });
  });

  it("answers over a unix socket with a path that the caller uses on the same socket", async () => {
    const id = await blobs.put("ac-1", DATA);
    const found = await rpc().blobGet?.(
      create(BlobGetRequestSchema, { blobId: id }),
      testContext({ workspaceId: "ac-1", transport: "unix" }),
    );
    const { pathname, search } = new URL(found?.downloadUrl ?? "");
    expect(await (await fetch(url + pathname + search)).text()).toBe(DATA.toString());
  });
});

describe("SignedUrls", () => {
  it("accepts what it has signed, and nothing else", () => {
    const urls = new SignedUrls(Buffer.alloc(32, 1));
    const others = new SignedUrls(Buffer.alloc(32, 2));
    fc.assert(
      fc.property(
        fc.constantFrom("get", "put", "part", "complete" as const),
        fc.stringMatching(/^[0-9A-Za-z]{22}$/),
        fc.nat(),
        (action, id, at) => {
          const path = urls.sign(action as "get", `bl-${id}`, at);
          expect(urls.verify(path, at)).toEqual({ action, blobId: `bl-${id}` });
          expect(() => others.verify(path, at)).toThrow(/not given out/);
          expect(() => urls.verify(path.replace(`bl-${id}`, `bl-${id.slice(1)}x`), at)).toThrow();
        },
      ),
    );
  });

  it("makes its key once, readable for the owner only", async () => {
    const path = join(dir, "key");
    expect(await loadKey(path, "")).toEqual(await loadKey(path, ""));
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });
});

describe("Contents", () => {
  it("keeps equal bytes once, read-only, with an executable twin when asked", async () => {
    const stored = await contents.put(DATA);
    expect(await contents.put([DATA] as unknown as AsyncIterable<Uint8Array>)).toEqual(stored);
    expect((await stat(contents.path(stored.sha256))).mode & 0o777).toBe(0o444);
    expect((await stat(await contents.executable(stored.sha256))).mode & 0o777).toBe(0o555);
  });

  it("refuses hashes that are paths", () => {
    expect(() => contents.path("../../etc/passwd")).toThrow(/not a SHA-256/);
  });
});
