import { Bulk, type Connection, connect, Lydian, ModalClient, type Client as Stub } from "@lydian/protocol";
import { knownServer } from "./config/known-server.ts";
import { findSession } from "./session.ts";

export interface ClientOptions {
  /** http://host:port or unix:///path. */
  readonly serverUrl: string;
  /** Not needed on the socket of a container. */
  readonly token?: { readonly id: string; readonly secret: string } | undefined;
  /** Default: the server's default environment. */
  readonly environment?: string | undefined;
}

/** A connection to a server, with its services. */
export class Client {
  readonly serverUrl: string;
  readonly environment: string;
  readonly token: { readonly id: string; readonly secret: string } | undefined;
  readonly connection: Connection;
  readonly modal: Stub<typeof ModalClient>;
  readonly lydian: Stub<typeof Lydian>;
  readonly bulk: Stub<typeof Bulk>;

  private constructor({ serverUrl, token, environment = "" }: ClientOptions) {
    this.serverUrl = serverUrl;
    this.environment = environment;
    this.token = token;
    const headers = token ? { "x-modal-token-id": token.id, "x-modal-token-secret": token.secret } : {};
    this.connection = connect({ url: serverUrl, headers });
    this.modal = this.connection.service(ModalClient);
    this.lydian = this.connection.service(Lydian);
    this.bulk = this.connection.service(Bulk);
  }

  /** Opens nothing yet: the connection is made by the first call. */
  static connect(options: ClientOptions): Client {
    return new Client(options);
  }

  close(): Promise<void> {
    return this.connection.close();
  }
}

let current: { readonly key: string; readonly client: Client } | undefined;

/** The client of the running app, else of the server that the environment or the configuration names. */
export function currentClient(): Client {
  const options = findSession() ?? knownServer();
  const key = `${options.serverUrl} ${options.token?.id ?? ""}`;
  if (current?.key !== key) current = { key, client: Client.connect(options) };
  return current.client;
}

/** The same client for what follows, instead of a connection of its own. */
export function useClient(client: Client): void {
  current = { key: `${client.serverUrl} ${client.token?.id ?? ""}`, client };
}
