/** Who is at the other end of a connection. */
export interface Peer {
  readonly transport: "tcp" | "unix";
  /** The label given to the listener it came through, e.g. a task id. */
  readonly label?: string;
  /** Absent on unix sockets. */
  readonly remoteAddress?: string;
}

/** Header names are lower case. */
export type Headers = Readonly<Record<string, string>>;

/** What a handler knows of the call it serves. */
export interface CallContext<C> {
  /** Whatever `authenticate` returned. */
  readonly caller: C;
  /** Aborted when the client is gone, its deadline has passed, or the server shuts down by force. The reason is a LydianError. */
  readonly signal: AbortSignal;
  /** Aborted when the server drains: a long poll answers now with what it has. The same signal for all calls. */
  readonly draining: AbortSignal;
  readonly headers: Headers;
  readonly peer: Peer;
  /** Full path, e.g. "/modal.client.ModalClient/AppCreate". */
  readonly method: string;
}
