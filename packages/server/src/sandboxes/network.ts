// What a sandbox may reach, from the wire to the policy of its container.
import { isAddressRange, isDomain, type NetworkPolicy } from "@lydian/containers";
import { LydianError, type NetworkAccess, NetworkAccess_NetworkAccessType as NetworkType } from "@lydian/protocol";

const MAX_ENTRIES = 1_000;

/** `blocked`: what older clients say instead. Throws `invalid_argument` for what is neither a range of addresses nor a domain. */
export function networkOf(access: NetworkAccess | undefined, blocked = false): NetworkPolicy {
  const type = access?.networkAccessType ?? NetworkType.UNSPECIFIED;
  if (type === NetworkType.BLOCKED || blocked) return "blocked";
  if (access === undefined || type !== NetworkType.ALLOWLIST) return "outbound";
  const { allowedCidrs: cidrs, allowedDomains: domains } = access;
  const entries = cidrs.length + domains.length;
  if (entries > MAX_ENTRIES) throw invalid(`A list of what may be reached has ${entries} entries; it may have ${MAX_ENTRIES}.`);
  for (const cidr of cidrs) checkCidr(cidr);
  for (const domain of domains) checkDomain(domain);
  return entries === 0 ? "blocked" : { cidrs, domains };
}

/** From where its ports may be reached; undefined: from everywhere, which clients say by an empty list. */
export function inboundOf(cidrs: readonly string[]): readonly string[] | undefined {
  if (cidrs.length > MAX_ENTRIES) throw invalid(`A list of who may connect has ${cidrs.length} entries; it may have ${MAX_ENTRIES}.`);
  for (const cidr of cidrs)
    if (!isAddressRange(cidr))
      throw invalid(`Invalid CIDR (inbound): ${cidr.slice(0, 100)}`, 'Write a range of addresses, for example "203.0.113.0/24".');
  return cidrs.length === 0 ? undefined : cidrs;
}

function checkCidr(cidr: string): void {
  // The official clients' tests know this error by its first words.
  if (!isAddressRange(cidr))
    throw invalid(`Invalid CIDR (outbound IPv4): ${cidr.slice(0, 100)}`, 'Write a range of addresses, for example "203.0.113.0/24".');
}

function checkDomain(domain: string): void {
  if (isDomain(domain)) return;
  throw invalid(
    `${JSON.stringify(domain.slice(0, 300))} is not a domain.`,
    'Write "example.com", or "*.example.com" for all names below it.',
  );
}

const invalid = (message: string, hint?: string) => new LydianError("invalid_argument", message, hint === undefined ? {} : { hint });
