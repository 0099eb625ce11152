// TLS on the port that everything else comes to, as clients use it that insist on it.
import { mkdtemp, rm } from "node:fs/promises";
import http2 from "node:http2";
import https from "node:https";
import { connect as connectTcp } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ConnectionOptions, connect, type TLSSocket } from "node:tls";
import { createServer, type GrpcServer } from "@lydian/protocol";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { OwnAuthority } from "./tunnels/own-authority.ts";

let dir: string;
let authority: OwnAuthority;
let server: GrpcServer;
let port: number;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "ly-tls-"));
  authority = new OwnAuthority({ path: join(dir, "authority.json"), domain: undefined, now: Date.now });
  server = createServer<null>({
    services: [],
    authenticate: () => null,
    http: (_request, response) => response.end("well"),
    pairFor: (host) => authority.pairFor(host),
  });
  port = (await server.listen({ port: 0 })).port ?? 0;
});
afterAll(async () => {
  await server?.close();
  await rm(dir, { recursive: true, force: true });
});

async function secure(options: ConnectionOptions): Promise<TLSSocket> {
  const socket = connect({ port, host: "127.0.0.1", ca: await authority.authority(), ...options });
  await new Promise((resolve, reject) => socket.once("secureConnect", resolve).once("error", reject));
  return socket;
}

describe("the server's port", () => {
  it.each([
    ["names the host and offers nothing", { servername: "localhost" }],
    ["names an address and offers nothing", {}],
    ["offers HTTP/2", { servername: "localhost", ALPNProtocols: ["h2"] }],
  ])("serves calls to a client that wants TLS and %s", async (_what, options) => {
    const socket = await secure(options);
    const session = http2.connect("http://localhost", { createConnection: () => socket });
    const stream = session.request({ ":method": "POST", ":path": "/none/None", "content-type": "application/grpc" });
    const headers = await new Promise<http2.IncomingHttpHeaders>((resolve) => stream.once("response", resolve));
    expect([headers[":status"], headers["grpc-status"]]).toEqual([200, "12"]);
    stream.resume().end();
    await new Promise<void>((resolve) => session.close(resolve));
  });

  it("serves HTTP/1.1 inside of TLS, too", async () => {
    const ca = await authority.authority();
    const text = await new Promise((resolve, reject) => {
      https
        .get({ port, host: "localhost", ca, agent: false }, (answer) => answer.once("data", (data) => resolve(String(data))))
        .once("error", reject);
    });
    expect(text).toBe("well");
  });

  it("shows nonsense out, and goes on", async () => {
    const socket = connectTcp(port, "127.0.0.1");
    socket.write(Buffer.from([0x16, 3, 1, 0, 4, 1, 2, 3, 4]));
    socket.resume();
    await new Promise((resolve) => socket.once("close", resolve));
    (await secure({ servername: "localhost" })).destroy();
  });

  it("turns TLS away where there is no certificate", async () => {
    const plain = createServer<null>({ services: [], authenticate: () => null });
    const listener = await plain.listen({ port: 0 });
    const socket = connect({ port: listener.port ?? 0, host: "127.0.0.1" });
    await expect(new Promise((_, reject) => socket.once("error", reject))).rejects.toThrow();
    await plain.close();
  });
});
