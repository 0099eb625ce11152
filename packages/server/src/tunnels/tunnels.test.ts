// Tunnels into a "container" that is this process: real listeners, real TLS.
import { createPrivateKey, generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer as createHttpServer, type IncomingMessage } from "node:http";
import { createServer as createHttp2Server, connect as http2Connect } from "node:http2";
import { request as httpsRequest } from "node:https";
import { type AddressInfo, connect, createServer, isIP, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer, text } from "node:stream/consumers";
import { createServer as createTlsServer, connect as tlsConnect } from "node:tls";
import { afterEach, expect, it } from "vitest";
import { CertificateFiles } from "./certificates.ts";
import { createTunnels } from "./create-tunnels.ts";
import type { TunnelOwner } from "./owner.ts";
import { tunnelsSchema } from "./settings.ts";
import { MAX_VISITORS } from "./visitors.ts";
import { makeAuthority, makeCertificate } from "./x509.ts";

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function start(settings: object = {}, dataDir = mkdtempSync(join(tmpdir(), "ly-tunnels-"))) {
  const parts = await createTunnels(tunnelsSchema.parse(settings), dataDir, Date.now);
  ends.push(async () => {
    await parts.tunnels.stop();
    rmSync(dataDir, { recursive: true, force: true });
  });
  return { ...parts, dataDir, ca: await parts.certificates.authority() };
}

async function listening(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  ends.push(() => server.close());
  return (server.address() as AddressInfo).port;
}

function owner(id: string, more: Partial<TunnelOwner> = {}): TunnelOwner & { readonly uses: () => number } {
  let uses = 0;
  return {
    id,
    allowed: undefined,
    uses: () => uses,
    connect: async (port) => {
      const socket = connect({ host: "127.0.0.1", port, allowHalfOpen: true });
      await once(socket, "connect");
      // As the agent's streams are.
      return socket.pause();
    },
    use: () => {
      uses += 1;
      return {
        [Symbol.dispose]: () => {
          uses -= 1;
        },
      };
    },
    ...more,
  };
}

const plain = { unencrypted: true, http2: false };
const echo = () => listening(createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket)));
const closed = (socket: Socket) => once(socket.on("error", () => {}).resume(), "close");

/** What comes back until the other side ends; this side ends after the data. */
async function through(socket: Socket, data: Uint8Array): Promise<Buffer> {
  socket.end(data);
  return buffer(socket);
}

it("passes bytes both ways, with and without TLS, each direction with an end of its own", async () => {
  const { tunnels, ca } = await start();
  const box = owner("ta-1");
  // Speaks only when the other side has ended.
  const program = createServer({ allowHalfOpen: true }, (socket) => {
    let count = 0;
    socket.on("data", ({ length }) => {
      count += length;
    });
    socket.on("end", () => socket.end(`got ${count}`));
  });
  const port = await listening(program);
  const { host, port: tlsPort, tcp } = await tunnels.open(box, { port, ...plain });
  const data = Buffer.alloc(5_000_000, 7);
  expect((await through(connect({ ...tcp, port: tcp?.port ?? 0, allowHalfOpen: true }), data)).toString()).toBe("got 5000000");
  const tls = tlsConnect({ host, port: tlsPort, ca });
  expect((await through(tls, data)).toString()).toBe("got 5000000");
  await closed(tls);
  expect(tls.authorized).toBe(true);
  await expect.poll(box.uses).toBe(0);
});

it("reads no faster than the program inside", async () => {
  const { tunnels } = await start();
  let inside: Socket | undefined;
  const port = await listening(
    createServer((socket) => {
      inside = socket.pause();
    }),
  );
  const { tcp } = await tunnels.open(owner("ta-1"), { port, ...plain });
  const outside = connect(tcp?.port ?? 0, tcp?.host);
  const size = 64 << 20;
  let taken = false;
  outside.end(Buffer.alloc(size), () => {
    taken = true;
  });
  // Whatever buffers there are on the way, they are far smaller.
  await expect.poll(() => inside !== undefined && outside.bytesWritten > 0 && !taken).toBe(true);
  let read = 0;
  inside?.on("data", (chunk: Buffer) => {
    read += chunk.length;
  });
  inside?.resume();
  await expect.poll(() => read, { timeout: 20_000 }).toBe(size);
});

it("tells who connects that nobody listens inside", async () => {
  const { tunnels } = await start();
  const { tcp } = await tunnels.open(owner("ta-1"), { port: 1, ...plain });
  const [error] = await once(connect(tcp?.port ?? 0, tcp?.host), "error");
  expect(error).toMatchObject({ code: "ECONNRESET" });
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

it("has names below a domain, on one port, that nobody sees who does not know them", async () => {
  const shared = await freePort();
  const { tunnels, ca } = await start({ domain: "*.localhost", port: shared, publicPort: 443 });
  const port = await echo();
  const [first, second] = await Promise.all([
    tunnels.open(owner("ta-1"), { port, ...plain }),
    tunnels.open(owner("ta-2"), { port, unencrypted: false, http2: true }),
  ]);
  expect(first.host).toMatch(/^[0-9a-f]{32}\.localhost$/);
  expect(first.tcp?.host).toBe(first.host);
  expect([first.port, second.port, second.tcp]).toEqual([443, 443, undefined]);
  const ask = (servername: string) => tlsConnect({ host: "127.0.0.1", port: shared, servername, ca, ALPNProtocols: ["h2", "http/1.1"] });
  for (const [{ host }, protocol] of [[first, "http/1.1"] as const, [second, "h2"] as const]) {
    const socket = ask(host.toUpperCase());
    expect((await through(socket, Buffer.from(host))).toString()).toBe(host);
    expect(socket.alpnProtocol).toBe(protocol);
  }
  for (const name of ["localhost", `${"0".repeat(32)}.localhost`]) {
    const [error] = await once(ask(name), "error");
    expect(error.code).toMatch(/^ERR_SSL|ECONNRESET/);
  }
  tunnels.closeAll("ta-1");
  await once(ask(first.host), "error");
  expect((await through(ask(second.host), Buffer.from("still"))).toString()).toBe("still");
});

it("lets HTTP/2 through where the port was opened for it", async () => {
  const { tunnels, ca } = await start();
  const port = await listening(createHttp2Server((request, response) => response.end(`${request.method} ${request.httpVersion}`)));
  const { host, port: outside } = await tunnels.open(owner("ta-1"), { port, unencrypted: false, http2: true });
  const session = http2Connect(`https://${host}:${outside}`, { ca });
  expect(await text(session.request({ ":path": "/" }))).toBe("GET 2.0");
  session.close();
});

it("lets in only from where it may be reached, and not more than the container bears", async () => {
  const { tunnels } = await start();
  const port = await listening(createServer((socket) => void socket.on("error", () => {})));
  const barred = await tunnels.open(owner("ta-1", { allowed: ["192.0.2.0/24", "2001:db8::/32"] }), { port, ...plain });
  await closed(connect(barred.tcp?.port ?? 0, barred.tcp?.host));
  const crowded = owner("ta-2", { allowed: ["127.0.0.0/8"] });
  const { tcp } = await tunnels.open(crowded, { port, ...plain });
  const visit = () => connect(tcp?.port ?? 0, tcp?.host).on("error", () => {});
  const visitors = Array.from({ length: MAX_VISITORS }, visit);
  await expect.poll(crowded.uses, { timeout: 10_000 }).toBe(MAX_VISITORS);
  await closed(visit());
  visitors[0]?.destroy();
  await expect.poll(crowded.uses).toBe(MAX_VISITORS - 1);
  tunnels.closeAll("ta-2");
  await Promise.all(visitors.slice(1).map((socket) => closed(socket)));
  await expect.poll(crowded.uses).toBe(0);
});

it("opens a port once, and what is closed is free again", async () => {
  const { tunnels } = await start();
  const box = owner("ta-1");
  const port = await echo();
  const tunnel = await tunnels.open(box, { port, ...plain });
  await expect(tunnels.open(box, { port, ...plain })).rejects.toMatchObject({ code: "already_exists" });
  const visitor = connect(tunnel.tcp?.port ?? 0, tunnel.tcp?.host);
  visitor.write("hello");
  expect(String(await once(visitor, "data"))).toBe("hello");
  expect([tunnels.close("ta-1", port), tunnels.close("ta-1", port)]).toEqual([true, false]);
  await closed(visitor);
  expect(tunnels.list("ta-1")).toEqual([]);
  expect(await tunnels.open(box, { port, ...plain })).toEqual(tunnel);
});

it("is where it was after a restart, under the same authority", async () => {
  const port = await echo();
  const before = await start();
  const tunnel = await before.tunnels.open(owner("ta-1"), { port, ...plain });
  await before.tunnels.stop();
  const after = await start({}, before.dataDir);
  expect(await after.tunnels.open(owner("ta-1"), { port, ...plain })).toEqual(tunnel);
  expect(after.ca).toBe(before.ca);
  expect(statSync(join(before.dataDir, "tunnels-authority.json")).mode & 0o777).toBe(0o600);
  // For another domain another authority is made: this one could not vouch for it.
  expect((await start({ domain: "*.t.example.com" }, before.dataDir)).ca).not.toBe(before.ca);
});

it("has an authority whose word is worth nothing beyond loopback and the domain", async () => {
  const { dataDir, ca } = await start();
  const stored = JSON.parse(readFileSync(join(dataDir, "tunnels-authority.json"), "utf8")) as { key: string };
  const issuer = { certificate: ca, key: createPrivateKey(stored.key) };
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const verdict = async (host: string) => {
    const cert = makeCertificate(issuer, {
      host,
      publicKey,
      notBefore: new Date(Date.now() - 1_000),
      notAfter: new Date(Date.now() + 60_000),
    });
    const key = privateKey.export({ type: "pkcs8", format: "pem" });
    const port = await listening(createTlsServer({ cert: cert + ca, key }, (socket) => void socket.end()));
    const socket = tlsConnect({ host: "127.0.0.1", port, servername: isIP(host) ? "" : host, ca, checkServerIdentity: () => undefined });
    return new Promise((resolve) => {
      socket.once("secureConnect", () => resolve("trusted"));
      socket.once("error", ({ message }) => resolve(message));
    });
  };
  expect(await verdict("box.localhost")).toBe("trusted");
  expect(await verdict("127.9.9.9")).toBe("trusted");
  for (const host of ["example.com", "localhost.example.com", "192.0.2.1"]) expect(await verdict(host)).toMatch(/permitted subtree/);
});

it("serves the configured certificate, and its successor", async () => {
  const dir = mkdtempSync(join(tmpdir(), "ly-certificate-"));
  ends.push(() => rmSync(dir, { recursive: true, force: true }));
  const files = { certificate: join(dir, "cert.pem"), key: join(dir, "key.pem") };
  const make = (serial: string) => {
    const { privateKey: key, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const validity = { notBefore: new Date(Date.now() - 1_000), notAfter: new Date(Date.now() + 60_000) };
    const certificate = makeAuthority({ name: serial, key, names: ["localhost"], ranges: [], ...validity });
    const cert = makeCertificate({ certificate, key }, { host: "t.localhost", publicKey, ...validity });
    writeFileSync(files.certificate, cert);
    writeFileSync(files.key, key.export({ type: "pkcs8", format: "pem" }));
    return cert;
  };
  let now = 0;
  const certificates = new CertificateFiles(files.certificate, files.key, () => now);
  const first = make("first");
  expect((await certificates.pairFor()).cert).toBe(first);
  const second = make("second");
  expect((await certificates.pairFor()).cert).toBe(first);
  now += 60_000;
  expect((await certificates.pairFor()).cert).toBe(second);
  writeFileSync(files.key, "half");
  now += 60_000;
  expect((await certificates.pairFor()).cert).toBe(second);
  expect(await certificates.authority()).toBe("");
  await expect(new CertificateFiles(files.certificate, files.key, () => now).pairFor()).rejects.toThrow(
    /certificate for tunnels cannot be used/,
  );
});

it("passes requests with a token on, streams, and web sockets", async () => {
  const { tunnels, connectTokens, ca } = await start();
  const box = owner("ta-1");
  let finish = () => {};
  const program = createHttpServer(async (request, response) => {
    if (request.url === "/stream") {
      response.write("first ");
      finish = () => response.end("last");
    } else response.end(`${request.method} ${request.url} ${request.headers["x-verified-user-data"]} ${await text(request)}`);
  });
  program.on("upgrade", (request, socket) => {
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: ${request.headers.upgrade}\r\nConnection: Upgrade\r\n\r\n`);
    socket.pipe(socket);
  });
  const port = await listening(program);
  const url = await tunnels.openConnect(box);
  expect(await tunnels.openConnect(box)).toBe(url);
  const token = connectTokens.issue({ ownerId: "ta-1", port, metadata: "me" });
  const options = { ca, headers: { authorization: `Bearer ${token}` } };
  const answerOf = (path: string, more: object = {}, body = "") =>
    new Promise<IncomingMessage>((resolve, reject) => {
      httpsRequest(url + path, { ...options, ...more }, resolve)
        .on("error", reject)
        .end(body);
    });
  expect(await text(await answerOf("/a?b", { method: "PUT" }, "body"))).toBe("PUT /a?b me body");
  expect((await answerOf("/", { headers: {} })).statusCode).toBe(401);
  const stream = await answerOf("/stream");
  expect(String(await once(stream, "data"))).toBe("first ");
  finish();
  expect(await text(stream)).toBe("last");

  const upgrade = httpsRequest(url, { ...options, headers: { ...options.headers, connection: "Upgrade", upgrade: "websocket" } }).end();
  const [answer, socket] = (await once(upgrade, "upgrade")) as [IncomingMessage, Socket];
  expect(answer.statusCode).toBe(101);
  socket.write("ping");
  expect(String(await once(socket, "data"))).toBe("ping");
  const refused = httpsRequest(url, { ca, headers: { connection: "Upgrade", upgrade: "websocket" } }).end();
  expect(((await once(refused, "response")) as [IncomingMessage])[0].statusCode).toBe(401);
  tunnels.closeAll("ta-1");
  await closed(socket);
  await expect.poll(box.uses).toBe(0);
});

it.each([
  ["a status that there is not", "HTTP/1.1 001 Odd\r\nContent-Length: 0\r\n\r\n"],
  ["another protocol that nobody asked for", "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"],
  ["a reason of control characters", "HTTP/1.1 200 \u0001\u0002\r\nContent-Length: 0\r\n\r\n"],
  ["headers of control characters", "HTTP/1.1 200 OK\r\nX: \u0001\r\nContent-Length: 0\r\n\r\n"],
  ["two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"],
  ["endless headers", `HTTP/1.1 200 OK\r\nX: ${"x".repeat(100_000)}`],
  ["no HTTP", "\u0000\u0001garbage\r\n\r\n"],
  ["nothing", ""],
])("goes on when the program inside answers with %s", async (_what, said) => {
  const { tunnels, connectTokens, ca } = await start();
  let answers = said;
  const port = await listening(
    createServer((socket) => {
      socket.on("error", () => {});
      socket.once("data", () => socket.end(answers));
    }),
  );
  const url = await tunnels.openConnect(owner("ta-1"));
  const authorization = `Bearer ${connectTokens.issue({ ownerId: "ta-1", port, metadata: "" })}`;
  const ask = () =>
    new Promise<number | undefined>((resolve) => {
      httpsRequest(url, { ca, headers: { authorization } }, (answer) => resolve(answer.resume().statusCode))
        .on("error", () => resolve(undefined))
        .end();
    });
  expect([200, 502]).toContain(await ask());
  answers = "HTTP/1.1 204 Fine\r\n\r\n";
  expect(await ask()).toBe(204);
});
