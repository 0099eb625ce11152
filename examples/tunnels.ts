// A web server in a sandbox, reached from here with and without TLS, and by those who have a token.
// Run it: lydian run examples/tunnels.ts
import { request } from "node:https";
import { text } from "node:stream/consumers";
import { App, Probe, Sandbox } from "lydian";

const app = new App("tunnels");

const SERVER = `
  const http = require("node:http");
  http.createServer((request, answer) => {
    const who = JSON.parse(request.headers["x-verified-user-data"] ?? '{"name":"stranger"}');
    answer.end("hello, " + who.name);
  }).listen(8000);
`;

/** Nobody vouches for the certificate here; `lydian tunnel ca` prints what programs can trust instead. */
const get = (url: string, headers: Record<string, string> = {}): Promise<string> =>
  new Promise((resolve, reject) => {
    request(url, { headers, rejectUnauthorized: false }, (answer) => resolve(text(answer)))
      .on("error", reject)
      .end();
  });

app.localEntrypoint(async () => {
  await using sandbox = await Sandbox.create({
    command: ["node", "-e", SERVER],
    ports: { tcp: [8000] },
    readiness: Probe.tcp(8000),
  });
  await sandbox.waitUntilReady();
  const tunnel = (await sandbox.tunnels())[8000];
  if (tunnel?.httpUrl === undefined) throw new Error("the port is not open");
  console.log(`without TLS: ${await (await fetch(tunnel.httpUrl)).text()}`);
  console.log(`with TLS: ${await get(tunnel.url)}`);
  const { url, token } = await sandbox.createConnectToken({ port: 8000, metadata: { name: "Ada" } });
  console.log(`with a token: ${await get(url, { authorization: `Bearer ${token}` })}`);
  console.log(`without: ${(await get(url)).slice(0, 26)}`);
});
