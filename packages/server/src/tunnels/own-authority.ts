// A certificate authority of this server's own, made when it is needed first. It can vouch for nothing but loopback and the configured
// domain: whoever trusts it risks nothing else, even if its key got lost.
import { createPrivateKey, generateKeyPairSync, type KeyObject, randomBytes } from "node:crypto";
import { mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { isIP, isIPv4 } from "node:net";
import { hostname } from "node:os";
import { dirname } from "node:path";
import { LydianError } from "@lydian/protocol";
import { z } from "zod";
import type { Certificates, KeyPair } from "./certificates.ts";
import type { Issuer } from "./x509.ts";

export interface OwnAuthorityOptions {
  /** Holds the key: mode 0600. */
  readonly path: string;
  /** A name or address it must be able to vouch for, beside loopback. */
  readonly domain: string | undefined;
  readonly now: () => number;
}

const stored = z.object({ domain: z.string(), certificate: z.string(), key: z.string() });

const DAY_MS = 86_400_000;
const AUTHORITY_DAYS = 3_650;
/** Of what clients take from an authority that their user has added. */
const CERTIFICATE_DAYS = 397;
const RENEW_MS = 30 * DAY_MS;
const MAX_PAIRS = 1_000;

export class OwnAuthority implements Certificates {
  readonly #options: OwnAuthorityOptions;
  /** One key for all certificates; it is never stored. */
  readonly #leafKey = generateKeyPairSync("ec", { namedCurve: "P-256" });
  /** By host, the oldest first. */
  readonly #pairs = new Map<string, { readonly renewAt: number; readonly pair: KeyPair }>();
  #issuer: Promise<Issuer> | undefined;

  constructor(options: OwnAuthorityOptions) {
    this.#options = options;
  }

  async pairFor(host: string): Promise<KeyPair> {
    const now = this.#options.now();
    const known = this.#pairs.get(host);
    if (known !== undefined && now < known.renewAt) return known.pair;
    const issuer = await this.#load();
    const { makeCertificate } = await import("./x509.ts");
    const notAfter = now + CERTIFICATE_DAYS * DAY_MS;
    const certificate = makeCertificate(issuer, {
      host,
      publicKey: this.#leafKey.publicKey,
      notBefore: new Date(now - DAY_MS),
      notAfter: new Date(notAfter),
    });
    const pair = { cert: certificate + issuer.certificate, key: pem(this.#leafKey.privateKey) };
    this.#pairs.delete(host);
    this.#pairs.set(host, { renewAt: notAfter - RENEW_MS, pair });
    for (const oldest of this.#pairs.keys()) {
      if (this.#pairs.size <= MAX_PAIRS) break;
      this.#pairs.delete(oldest);
    }
    return pair;
  }

  async authority(): Promise<string> {
    return (await this.#load()).certificate;
  }

  #load(): Promise<Issuer> {
    this.#issuer ??= this.#read().catch((error: unknown) => {
      this.#issuer = undefined;
      throw error;
    });
    return this.#issuer;
  }

  /** The stored one, or a new one when there is none for this domain. */
  async #read(): Promise<Issuer> {
    const { path, domain = "" } = this.#options;
    const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return undefined;
      throw error;
    });
    if (text !== undefined) {
      const parsed = stored.safeParse(parseJson(text));
      if (!parsed.success)
        throw new LydianError("data_loss", `The certificate authority for tunnels in ${path} is damaged.`, {
          hint: "Remove the file: a new one is made, which has to be trusted anew.",
        });
      const { certificate, key } = parsed.data;
      if (parsed.data.domain === domain) return { certificate, key: createPrivateKey(key) };
    }
    return this.#make(domain);
  }

  async #make(domain: string): Promise<Issuer> {
    const { path, now } = this.#options;
    const { privateKey: key } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const isAddress = isIP(domain) > 0;
    const { makeAuthority } = await import("./x509.ts");
    const certificate = makeAuthority({
      name: `Lydian tunnels of ${hostname()} (${randomBytes(3).toString("hex")})`,
      key,
      names: ["localhost", ...(domain === "" || isAddress ? [] : [domain])],
      ranges: ["127.0.0.0/8", "::1/128", ...(isAddress ? [`${domain}/${isIPv4(domain) ? 32 : 128}`] : [])],
      notBefore: new Date(now() - DAY_MS),
      notAfter: new Date(now() + AUTHORITY_DAYS * DAY_MS),
    });
    await writeWhole(path, JSON.stringify({ domain, certificate, key: pem(key) }));
    return { certificate, key };
  }
}

const pem = (key: KeyObject): string => key.export({ type: "pkcs8", format: "pem" }).toString();

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** All of it or nothing is there after a crash. */
async function writeWhole(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const draft = `${path}.new`;
  await rm(draft, { force: true });
  const file = await open(draft, "wx", 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(draft, path);
}
