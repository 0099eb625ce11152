import { type MessageInitShape, type NetworkAccessSchema, NetworkAccess_NetworkAccessType as Type } from "@lydian/protocol";
import { InvalidError } from "../errors.ts";
import { showValue } from "../show-value.ts";

/** What a sandbox can reach: everything outside, nothing, or only what is listed. Another machine's loopback and the host never. */
export type NetworkPolicy =
  | "open"
  | "none"
  | {
      /** Ranges of addresses, e.g. "10.1.0.0/16". */
      readonly cidrs?: readonly string[];
      /** Names, e.g. "registry.npmjs.org" or "*.pypi.org". */
      readonly domains?: readonly string[];
    };

/** A policy as the wire has it. Throws InvalidError for one that is none; what is listed is checked by the server. */
export function networkAccess(policy: unknown, what = "network"): MessageInitShape<typeof NetworkAccessSchema> {
  if (policy === undefined || policy === "open") return { networkAccessType: Type.OPEN };
  if (policy === "none") return { networkAccessType: Type.BLOCKED };
  const {
    cidrs = [],
    domains = [],
    ...others
  } = (typeof policy === "object" && policy !== null ? policy : { policy }) as {
    cidrs?: readonly string[];
    domains?: readonly string[];
  };
  if (Object.keys(others).length > 0 || !areStrings(cidrs) || !areStrings(domains))
    throw new InvalidError(`\`${what}\` is ${showValue(policy)}; it must be "open", "none" or { cidrs: […], domains: […] }.`);
  return { networkAccessType: Type.ALLOWLIST, allowedCidrs: [...cidrs], allowedDomains: [...domains] };
}

const areStrings = (values: unknown): boolean => Array.isArray(values) && values.every((value) => typeof value === "string");
