// For tests: a server with the handlers that a test gives, on a socket in a directory of its own, as the session of this process.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Bulk, createServer, type Handlers, Lydian, ModalClient, Processes, service, TaskCommandRouter } from "@lydian/protocol";
import { type Client, currentClient } from "./client.ts";
import { setSession } from "./session.ts";

export interface TestServer extends AsyncDisposable {
  readonly url: string;
  readonly client: Client;
}

export interface TestServerOptions {
  readonly modal?: Partial<Handlers<typeof ModalClient, unknown>>;
  readonly bulk?: Partial<Handlers<typeof Bulk, unknown>>;
  readonly lydian?: Partial<Handlers<typeof Lydian, unknown>>;
  readonly router?: Partial<Handlers<typeof TaskCommandRouter, unknown>>;
  readonly processes?: Partial<Handlers<typeof Processes, unknown>>;
  /** Of the session. Default: one function, `work` with the id fu-work. */
  readonly functionIds?: Readonly<Record<string, string>>;
}

export async function startTestServer({
  modal = {},
  bulk = {},
  lydian = {},
  router = {},
  processes = {},
  functionIds = { work: "fu-work" },
}: TestServerOptions): Promise<TestServer> {
  const directory = await mkdtemp(join(tmpdir(), "ly-sdk-"));
  const services = [
    service(ModalClient, modal),
    service(Bulk, bulk),
    service(Lydian, lydian),
    service(TaskCommandRouter, router),
    service(Processes, processes),
  ];
  const server = createServer<unknown>({ services, authenticate: () => ({}) });
  const { address } = await server.listen({ path: join(directory, "api.sock") });
  setSession({ serverUrl: address, environment: "main", appId: "ap-test", functionIds });
  const client = currentClient();
  return {
    url: address,
    client,
    async [Symbol.asyncDispose]() {
      setSession(undefined);
      await client.close();
      await server.close();
      await rm(directory, { recursive: true });
    },
  };
}
