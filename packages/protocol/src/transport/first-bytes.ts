// One port for HTTP/2 with prior knowledge, HTTP/1.1 and TLS: the first three bytes of a connection tell which.
import type { Socket } from "node:net";

// How an HTTP/2 client begins. No HTTP/1.1 method does.
const PREFACE = Buffer.from("PRI");
// How a TLS client begins: a handshake record.
const TLS_HANDSHAKE = 0x16;
// A connection that says nothing for so long is closed.
const SILENCE_MS = 60_000;

/**
 * Calls back once the protocol is known, with nothing consumed from the socket. Reading through "readable" and unshift is what lets
 * all server classes find the bytes again; a socket that was ever in flowing mode loses them.
 */
export function onProtocol(socket: Socket, then: (protocol: "h2" | "http1" | "tls") => void): void {
  let seen: Buffer | undefined;
  const onSilence = () => socket.destroy();
  const onReadable = () => {
    const chunk = socket.read() as Buffer | null;
    if (chunk === null) return;
    seen = seen === undefined ? chunk : Buffer.concat([seen, chunk]);
    const begin = seen.subarray(0, PREFACE.length);
    const isPreface = begin.equals(PREFACE.subarray(0, begin.length));
    if (isPreface && begin.length < PREFACE.length) return;
    socket.off("readable", onReadable);
    socket.off("timeout", onSilence);
    socket.setTimeout(0);
    socket.unshift(seen);
    then(isPreface ? "h2" : begin[0] === TLS_HANDSHAKE ? "tls" : "http1");
  };
  socket.setTimeout(SILENCE_MS, onSilence);
  socket.on("readable", onReadable);
}
