// The name server of containers that may reach certain domains only. It runs where the firewall is (the launcher's network),
// answers for allowed names and opens what it answers in the set of the container that asked, before the answer goes out. Nothing
// else is answered: a query that went on to somewhere else would be a way out.
//
// Usage: node names.js GATEWAY TABLE RESOLVER…   On stdin lines of JSON (`Order`), on stdout `{"port":…}`, then `{"done":…}` for each.

import { execFile } from "node:child_process";
import { createSocket, type RemoteInfo } from "node:dgram";
import { promises } from "node:dns";
import { createInterface } from "node:readline";
import * as packet from "dns-packet";
import { isAllowedName } from "../../network-policy.ts";
import { opened } from "../policy-rules.ts";

/** What the host tells. Without domains nothing is answered any more. */
export interface Order {
  readonly id: number;
  /** The container's. */
  readonly address: string;
  /** Names its set. */
  readonly link: string;
  readonly domains: readonly string[];
}

/** Answers may be remembered by containers for this long; addresses stay open for at least as long. */
const MAX_TTL_S = 3_600;
/** A program connects a moment after it has asked. */
const MIN_OPEN_S = 60;
const MAX_ADDRESSES = 16;
/** Of one container, and of all: what comes beyond is dropped, and programs ask again. */
const MAX_QUERIES_EACH = 32;
const MAX_QUERIES = 1_024;
const MAX_REMEMBERED = 10_000;
const RESOLVE_TIMEOUT_MS = 2_000;
const NFT_TIMEOUT_MS = 10_000;

interface Asker {
  readonly link: string;
  readonly domains: readonly string[];
  /** Address → when it closes, in milliseconds. */
  readonly open: Map<string, number>;
  queries: number;
}

type Answer = { readonly code: "NOERROR" | "NXDOMAIN" | "SERVFAIL"; readonly addresses?: readonly { address: string; ttl: number }[] };

const [, , gateway = "", table = "", ...resolvers] = process.argv;
const askers = new Map<string, Asker>();
const resolver = new promises.Resolver({ timeout: RESOLVE_TIMEOUT_MS, tries: 2 });
if (resolvers.length > 0) resolver.setServers(resolvers);
const socket = createSocket("udp4");
let queries = 0;

/** Rejects when the set has no room, or is gone with its container. */
async function open(asker: Asker, addresses: readonly { address: string; ttl: number }[]): Promise<void> {
  const now = Date.now();
  const lives = addresses.map(({ address, ttl }) => ({ address, seconds: Math.max(ttl, MIN_OPEN_S) }));
  const missing = lives.filter(({ address, seconds }) => (asker.open.get(address) ?? 0) < now + seconds * 1000);
  if (missing.length === 0) return;
  // Longer than asked for, so that the next queries of a busy name cost nothing.
  const longer = missing.map(({ address, seconds }) => ({ address, seconds: seconds * 2 }));
  await new Promise<void>((resolve, reject) => {
    const child = execFile("nft", ["-f", "-"], { timeout: NFT_TIMEOUT_MS }, (error) => (error === null ? resolve() : reject(error)));
    child.stdin?.on("error", () => {});
    child.stdin?.end(opened(table, asker.link, longer));
  });
  for (const { address, seconds } of longer) asker.open.set(address, now + seconds * 1000);
  if (asker.open.size > MAX_REMEMBERED) for (const [address, until] of asker.open) if (until < now) asker.open.delete(address);
}

async function answer(asker: Asker, question: packet.Question): Promise<Answer> {
  // What may not be reached does not exist: programs say so at once instead of trying again.
  if (!isAllowedName(question.name, asker.domains)) return { code: "NXDOMAIN" };
  if (question.type !== "A" || (question.class !== undefined && question.class !== "IN")) return { code: "NOERROR" };
  try {
    const found = await resolver.resolve4(question.name, { ttl: true });
    const addresses = found.slice(0, MAX_ADDRESSES).map(({ address, ttl }) => ({ address, ttl: Math.min(Math.max(ttl, 0), MAX_TTL_S) }));
    await open(asker, addresses);
    return { code: "NOERROR", addresses };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return { code: code === "ENOTFOUND" ? "NXDOMAIN" : code === "ENODATA" ? "NOERROR" : "SERVFAIL" };
  }
}

const CODES = { NOERROR: 0, SERVFAIL: 2, NXDOMAIN: 3 } as const;

async function serve(message: Buffer, from: RemoteInfo): Promise<void> {
  const asker = askers.get(from.address);
  if (asker === undefined || asker.queries >= MAX_QUERIES_EACH || queries >= MAX_QUERIES) return;
  const query = packet.decode(message);
  const question = query.questions?.[0];
  if (query.type !== "query" || question === undefined || query.questions?.length !== 1) return;
  asker.queries++;
  queries++;
  try {
    const { code, addresses = [] } = await answer(asker, question);
    const response = packet.encode({
      type: "response",
      id: query.id ?? 0,
      flags: packet.RECURSION_DESIRED | packet.RECURSION_AVAILABLE | CODES[code],
      questions: [question],
      answers: addresses.map(({ address, ttl }) => ({ type: "A", name: question.name, ttl, data: address })),
    });
    // Its policy may have changed meanwhile.
    if (askers.get(from.address) === asker) socket.send(response, from.port, from.address, () => {});
  } finally {
    asker.queries--;
    queries--;
  }
}

function obey(order: Order): void {
  if (order.domains.length === 0) askers.delete(order.address);
  else askers.set(order.address, { link: order.link, domains: order.domains, open: new Map(), queries: 0 });
  process.stdout.write(`${JSON.stringify({ done: order.id })}\n`);
}

// A malformed query has no answer.
socket.on("message", (message, from) => void serve(message, from).catch(() => {}));
socket.on("error", (error) => {
  process.stderr.write(`${error.message}\n`);
  process.exit(1);
});
socket.bind(0, gateway, () => process.stdout.write(`${JSON.stringify({ port: socket.address().port })}\n`));
createInterface({ input: process.stdin })
  .on("line", (line) => obey(JSON.parse(line) as Order))
  .on("close", () => process.exit(0));
