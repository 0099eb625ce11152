// Unary calls a second of our gRPC transport, beside @grpc/grpc-js with the same messages and codec in the same run.
// Server and client are two processes. Stands alone, after `npm ci --no-workspaces` in bench/:
//   npx esbuild bench/src/transport.ts --bundle --platform=node --format=esm --external:@grpc/grpc-js --outfile=bench/dist/transport.mjs
//   node bench/dist/transport.mjs
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { connect, create, createServer, fromBinary, ModalClient, service, toBinary } from "@lydian/protocol";

const SECONDS = 2;
const CONCURRENCY = [1, 16, 64];
const PATH = "/modal.client.ModalClient/FunctionGetCurrentStats";

interface Peer {
  readonly name: string;
  /** Listens and resolves to the port. */
  serve(): Promise<number>;
  /** A function that makes one call. */
  client(port: number): { call(): Promise<unknown>; close(): void };
}

const { input, output } = ModalClient.method.functionGetCurrentStats;
const request = { functionId: "fu-0123456789abcdefghijkl" };
const response = { backlog: 12, numTotalTasks: 3, numRunningInputs: 5, inputHeadroom: 1 };

const ours: Peer = {
  name: "lydian",
  async serve() {
    const handlers = { functionGetCurrentStats: () => response };
    const server = createServer({ services: [service<typeof ModalClient, object>(ModalClient, handlers)], authenticate: () => ({}) });
    return (await server.listen({ port: 0 })).port ?? 0;
  },
  client(port) {
    const connection = connect({ url: `http://127.0.0.1:${port}` });
    const client = connection.service(ModalClient);
    return { call: () => client.functionGetCurrentStats(request), close: () => void connection.close() };
  },
};

type Codec = (message: never) => Buffer;
interface GrpcJs {
  Server: new () => {
    addService(definition: object, handlers: object): void;
    bindAsync(address: string, credentials: unknown, done: (error: Error | null, port: number) => void): void;
  };
  ServerCredentials: { createInsecure(): unknown };
  credentials: { createInsecure(): unknown };
  Client: new (
    address: string,
    credentials: unknown,
  ) => {
    makeUnaryRequest(
      path: string,
      write: Codec,
      read: (bytes: Buffer) => unknown,
      message: object,
      done: (error: Error | null, answer: unknown) => void,
    ): void;
    close(): void;
  };
}

/** Undefined where it is not installed: it is a dependency of the bench alone. */
async function grpcJs(): Promise<Peer | undefined> {
  const name = "@grpc/grpc-js";
  let grpc: GrpcJs;
  try {
    grpc = (await import(name)) as GrpcJs;
  } catch {
    return undefined;
  }
  const write = (schema: typeof input | typeof output) => (message: never) => Buffer.from(toBinary(schema, message));
  const read = (schema: typeof input | typeof output) => (bytes: Buffer) => fromBinary(schema, bytes);
  return {
    name,
    serve() {
      const server = new grpc.Server();
      const method = {
        path: PATH,
        requestStream: false,
        responseStream: false,
        requestSerialize: write(input),
        requestDeserialize: read(input),
        responseSerialize: write(output),
        responseDeserialize: read(output),
      };
      const handler = (_call: unknown, done: (error: null, answer: unknown) => void) => done(null, create(output, response));
      server.addService({ stats: method }, { stats: handler });
      return new Promise((resolve, reject) => {
        const bound = (error: Error | null, port: number) => (error === null ? resolve(port) : reject(error));
        server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), bound);
      });
    },
    client(port) {
      const client = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure());
      const call = () =>
        new Promise((resolve, reject) => {
          const done = (error: Error | null, answer: unknown) => (error === null ? resolve(answer) : reject(error));
          client.makeUnaryRequest(PATH, write(input), read(output), create(input, request), done);
        });
      return { call, close: () => client.close() };
    },
  };
}

async function measure(call: () => Promise<unknown>, concurrency: number, seconds: number): Promise<number> {
  const end = performance.now() + seconds * 1000;
  let calls = 0;
  const loop = async () => {
    while (performance.now() < end) {
      await call();
      calls++;
    }
  };
  await Promise.all(Array.from({ length: concurrency }, loop));
  return calls / seconds;
}

async function run(peer: Peer): Promise<number[]> {
  const server = fork(fileURLToPath(import.meta.url), [peer.name]);
  const { port } = await new Promise<{ port: number }>((resolve) =>
    server.once("message", (message) => resolve(message as { port: number })),
  );
  const client = peer.client(port);
  await measure(client.call, 16, 1); // Warms both ends up.
  const rates: number[] = [];
  for (const concurrency of CONCURRENCY) rates.push(await measure(client.call, concurrency, SECONDS));
  client.close();
  server.kill();
  return rates;
}

const theirs = await grpcJs();
const peers = theirs === undefined ? [ours] : [ours, theirs];
const served = peers.find(({ name }) => name === process.argv[2]);
if (served !== undefined) {
  process.send?.({ port: await served.serve() });
} else {
  console.log(`unary calls/s, Node ${process.version}, one connection, at ${CONCURRENCY.map((c) => `c=${c}`).join(" / ")}`);
  if (theirs === undefined) console.log("@grpc/grpc-js: skipped, not installed (npm install in bench/)");
  const results: number[][] = [];
  for (const peer of peers) {
    const rates = await run(peer);
    results.push(rates);
    console.log(`${peer.name.padEnd(14)} ${rates.map((rate) => rate.toFixed(0)).join(" / ")}`);
  }
  const [mine = [], other] = results;
  if (other !== undefined) console.log(`ratio          ${mine.map((rate, i) => `${(rate / (other[i] ?? 1)).toFixed(2)}x`).join(" / ")}`);
}
