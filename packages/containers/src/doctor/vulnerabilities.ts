// Known ways out of containers, by runtime version. Distributions repair old versions in place: their package version decides then.

import type { RuntimeName } from "../oci/runtimes.ts";

interface Vulnerability {
  readonly runtime: RuntimeName;
  readonly id: string;
  readonly what: string;
  /** First repaired version of each release line, oldest line first. Lines before the first are vulnerable, lines after the last are not. */
  readonly repaired: readonly string[];
  /** Debian package versions with the repair, by the upstream version they are made from. */
  readonly debian: Readonly<Record<string, string>>;
}

const VULNERABILITIES: readonly Vulnerability[] = [
  {
    runtime: "runc",
    id: "CVE-2024-21626",
    what: "a leaked file descriptor lets a container's working directory be on the machine",
    repaired: ["1.1.12"],
    debian: { "1.1.5": "1.1.5+ds1-1+deb12u1" },
  },
  {
    runtime: "runc",
    id: "CVE-2025-31133, CVE-2025-52565, CVE-2025-52881",
    what: "races over masked paths and /dev/console let a crafted container write to the machine's /proc",
    repaired: ["1.2.8", "1.3.3", "1.4.0-rc.3"],
    debian: {},
  },
  {
    runtime: "crun",
    id: "CVE-2022-27650",
    what: "containers got inheritable capabilities",
    repaired: ["1.4.4"],
    debian: {},
  },
];

/** Negative: `a` is older. Understands "1.4.0-rc.3", "1.1.5+ds1-1+deb12u1", "1.0.0~rc93". */
export function compareVersions(a: string, b: string): number {
  const parts = (text: string) => text.match(/\d+|[a-zA-Z]+|~|\+/g) ?? [];
  const rank = (part: string | undefined) => {
    if (part === undefined) return 1;
    if (part === "~" || part === "rc") return 0; // Before the release.
    return /^\d/.test(part) ? 3 : 2;
  };
  const left = parts(a);
  const right = parts(b);
  for (let index = 0; index < Math.max(left.length, right.length); index++) {
    const [x, y] = [left[index], right[index]];
    if (x === y) continue;
    const byRank = rank(x) - rank(y);
    if (byRank !== 0) return byRank;
    const byNumber = Number(x) - Number(y);
    if (!Number.isNaN(byNumber)) {
      if (byNumber !== 0) return byNumber;
    } else if ((x ?? "") !== (y ?? "")) {
      return (x ?? "") < (y ?? "") ? -1 : 1;
    }
  }
  return 0;
}

const upstream = (version: string) => /^\d+(?:\.\d+)*(?:-rc\.?\d+)?/.exec(version)?.[0] ?? version;
const line = (version: string) => version.split(".").slice(0, 2).join(".");

function isRepaired(vulnerability: Vulnerability, version: string, packageVersion: string | undefined): boolean {
  const plain = upstream(version);
  if (packageVersion !== undefined) {
    const repaired = vulnerability.debian[upstream(packageVersion).replace(/-rc.*/, "")];
    if (repaired !== undefined && compareVersions(packageVersion, repaired) >= 0) return true;
  }
  const sameLine = vulnerability.repaired.find((repaired) => line(repaired) === line(plain));
  if (sameLine !== undefined) return compareVersions(plain, sameLine) >= 0;
  return compareVersions(plain, vulnerability.repaired.at(-1) ?? "0") > 0;
}

/** Sentences about what this version is open to. `packageVersion` is the distribution's, when it came from a package. */
export function knownVulnerabilities(runtime: RuntimeName, version: string, packageVersion?: string): readonly string[] {
  return VULNERABILITIES.filter((each) => each.runtime === runtime && !isRepaired(each, version, packageVersion)).map(
    (each) => `${each.id}: ${each.what}`,
  );
}
