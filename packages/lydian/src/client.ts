import { type Connection, connect, Lydian, ModalClient, type Client as Stub } from "@lydian/protocol";
import { AuthError, InvalidError } from "./errors.ts";
import { findSession } from "./session.ts";

export interface ClientOptions {
  /** http://host:port or unix:///path. */
  readonly serverUrl: string;
  /** Not needed on the socket of a container. */
  readonly token?: { readonly id: string; readonly secret: string } | undefined;
  /** Default: the server's default environment. */
  readonly environment?: string | undefined;
}

/** A connection to a server, with both of its services. */
export class Client {
  readonly serverUrl: string;
  readonly environment: string;
  readonly token: { readonly id: string; readonly secret: string } | undefined;
  readonly connection: Connection;
  readonly modal: Stub<typeof ModalClient>;
  readonly lydian: Stub<typeof Lydian>;

  private constructor({ serverUrl, token, environment = "" }: ClientOptions) {
    this.serverUrl = serverUrl;
    this.environment = environment;
    this.token = token;
    const headers = token ? { "x-modal-token-id": token.id, "x-modal-token-secret": token.secret } : {};
    this.connection = connect({ url: serverUrl, headers });
    this.modal = this.connection.service(ModalClient);
    this.lydian = this.connection.service(Lydian);
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

/** The client of the running app, else of the server that the environment names. */
export function currentClient(): Client {
  const options = findSession() ?? fromVariables();
  const key = `${options.serverUrl} ${options.token?.id ?? ""}`;
  if (current?.key !== key) current = { key, client: Client.connect(options) };
  return current.client;
}

/** The same client for what follows, instead of a connection of its own. */
export function useClient(client: Client): void {
  current = { key: `${client.serverUrl} ${client.token?.id ?? ""}`, client };
}

function fromVariables(): ClientOptions {
  const read = (name: string) => process.env[`LYDIAN_${name}`] ?? process.env[`MODAL_${name}`];
  const [serverUrl, id, secret] = [read("SERVER_URL"), read("TOKEN_ID"), read("TOKEN_SECRET")];
  if (serverUrl === undefined) {
    throw new InvalidError("No server is known.", {
      hint: "Start the program with `lydian run FILE`, or set MODAL_SERVER_URL, MODAL_TOKEN_ID and MODAL_TOKEN_SECRET (`lydian env` prints them).",
    });
  }
  if (id === undefined || secret === undefined)
    throw new AuthError(`MODAL_SERVER_URL is set, but MODAL_TOKEN_ID and MODAL_TOKEN_SECRET are not both set.`, {
      hint: "`lydian env` prints all three.",
    });
  return { serverUrl, token: { id, secret }, environment: read("ENVIRONMENT") };
}
