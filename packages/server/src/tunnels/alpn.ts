/**
 * What is spoken inside of TLS; undefined: nothing in common. A tunnel passes bytes, so any protocol that a client offers is as good as the
 * first, but HTTP/2, which programs must be written for and tunnels be made for.
 */
export function protocolFor(offered: readonly string[], http2: boolean): string | undefined {
  if (http2 && offered.includes("h2")) return "h2";
  if (offered.includes("http/1.1")) return "http/1.1";
  return offered.find((protocol) => protocol !== "h2");
}
