// Who is connected to one container from outside: not more than it can bear, only from where it may be, and nobody after its end.
import { BlockList, isIP, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { TLSSocket } from "node:tls";
import type { TunnelOwner } from "./owner.ts";
import { relay } from "./relay.ts";

/** At once, over all ports of a container. */
export const MAX_VISITORS = 1_000;
/** After the door was closed: the answer to a last request may still be on its way. */
const LEAVE_MS = 1_000;
/** How long a connection waits for the container, which may still be starting. */
const CONNECT_MS = 60_000;

export class Visitors {
  readonly #owner: TunnelOwner;
  readonly #allowed: BlockList | undefined;
  /** By door. */
  readonly #sockets = new Map<string, Set<Socket>>();
  #count = 0;

  constructor(owner: TunnelOwner) {
    this.#owner = owner;
    this.#allowed = owner.allowed && rangesOf(owner.allowed);
  }

  /** False: it was shown out. */
  admit(socket: Socket, door: string): boolean {
    socket.on("error", () => socket.destroy());
    if (socket.destroyed) return false;
    if (this.#count >= MAX_VISITORS || !this.#mayCome(socket.remoteAddress ?? "")) {
      socket.destroy();
      return false;
    }
    this.#count += 1;
    const use = this.#owner.use();
    const sockets = this.#sockets.get(door) ?? new Set();
    this.#sockets.set(door, sockets.add(socket));
    socket.on("close", () => {
      this.#count -= 1;
      use[Symbol.dispose]();
      sockets.delete(socket);
      if (sockets.size === 0 && this.#sockets.get(door) === sockets) this.#sockets.delete(door);
    });
    return true;
  }

  /** Joins the connection with one to the port. What it has sent before goes first. */
  async lead(outside: Socket, port: number): Promise<void> {
    try {
      relay(outside, await this.connect(outside, port));
    } catch {
      // Whoever connected learns that nobody was there.
      if (outside instanceof TLSSocket) outside.destroy();
      else outside.resetAndDestroy();
    }
  }

  /** A connection to the port, given up when that of `outside` ends before. */
  async connect(outside: Socket, port: number): Promise<Duplex> {
    const gaveUp = new AbortController();
    const giveUp = () => gaveUp.abort(new Error("given up"));
    outside.once("close", giveUp);
    const timer = setTimeout(giveUp, CONNECT_MS).unref();
    const aborted = new Promise<never>((_, reject) => {
      gaveUp.signal.addEventListener("abort", () => reject(gaveUp.signal.reason), { once: true });
    });
    try {
      const connected = this.#owner.connect(port, gaveUp.signal);
      connected.then(
        (inside) => {
          if (gaveUp.signal.aborted || outside.destroyed) inside.destroy();
        },
        () => {},
      );
      const inside = await Promise.race([connected, aborted]);
      if (outside.destroyed) throw new Error("given up");
      return inside;
    } finally {
      clearTimeout(timer);
      outside.off("close", giveUp);
    }
  }

  /** Shows out those who came through the door, when they have had time to hear the last answer. */
  clear(door: string): void {
    const leaving = [...(this.#sockets.get(door) ?? [])];
    const timer = setTimeout(() => {
      for (const socket of leaving) socket.destroy();
    }, LEAVE_MS);
    timer.unref();
  }

  clearAll(): void {
    for (const sockets of this.#sockets.values()) for (const socket of sockets) socket.destroy();
  }

  #mayCome(address: string): boolean {
    if (this.#allowed === undefined) return true;
    const plain = address.replace(/^::ffff:(?=\d+\.)/, "");
    return this.#allowed.check(plain, isIP(plain) === 6 ? "ipv6" : "ipv4");
  }
}

function rangesOf(cidrs: readonly string[]): BlockList {
  const list = new BlockList();
  for (const cidr of cidrs) {
    const [address = "", bits] = cidr.split("/");
    const family = isIP(address) === 6 ? "ipv6" : "ipv4";
    list.addSubnet(address, bits === undefined ? (family === "ipv6" ? 128 : 32) : Number(bits), family);
  }
  return list;
}
