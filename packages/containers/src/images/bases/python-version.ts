// Which Debian or Ubuntu has which Python. A distribution has one patch version of a minor at a time, so the version that a name
// asks for is had only by its minor.

export interface PythonSource {
  /** "3.11" */
  readonly minor: string;
  /** The release that has it, by code name. */
  readonly suite: string;
  /** For people. */
  readonly distribution: string;
  /** Packages that are part of Python elsewhere. */
  readonly packages: readonly string[];
}

/** In Ubuntu they are not part of the smallest system. */
const UBUNTU = ["apt", "ubuntu-keyring"];

const SOURCES: readonly PythonSource[] = [
  { minor: "3.10", suite: "jammy", distribution: "Ubuntu 22.04", packages: [...UBUNTU, "python3-distutils"] },
  { minor: "3.11", suite: "bookworm", distribution: "Debian 12", packages: ["python3-distutils"] },
  { minor: "3.12", suite: "noble", distribution: "Ubuntu 24.04", packages: UBUNTU },
  { minor: "3.13", suite: "trixie", distribution: "Debian 13", packages: [] },
  { minor: "3.14", suite: "forky", distribution: "Debian testing", packages: [] },
  { minor: "3.15", suite: "forky", distribution: "Debian testing", packages: [] },
];
/** What a name without a minor means: the newest of a released distribution. */
const DEFAULT_MINOR = "3.13";

/** For messages. */
export const PYTHON_MINORS = SOURCES.map(({ minor }) => minor).join(", ");

/** Where the Python of a version or of its beginning ("3", "3.11", "3.11.12") comes from; undefined when from nowhere. */
export function pythonSource(wanted: string): PythonSource | undefined {
  const [major = "", second] = wanted.split(".");
  const minor = second === undefined && major === "3" ? DEFAULT_MINOR : `${major}.${second}`;
  return SOURCES.find((source) => source.minor === minor);
}

/** The version "3.11.2" of a package in dpkg's record of what is installed. */
export function installedVersion(status: string, name: string): string | undefined {
  for (const paragraph of status.split("\n\n")) {
    if (!paragraph.startsWith(`Package: ${name}\n`)) continue;
    return /^Version: (?:\d+:)?(\d+(?:\.\d+)*)/m.exec(paragraph)?.[1];
  }
  return undefined;
}
