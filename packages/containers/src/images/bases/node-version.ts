// Which version a tag means, among those that a registry has.

/** A release: pre-releases are never chosen. */
const RELEASE = /^(\d+)\.(\d+)\.(\d+)$/;
const WANTED = /^\d+(\.\d+){0,2}$/;

/** Whether `text` is a version or the beginning of one: "24", "24.9", "24.9.0". */
export function isVersionPrefix(text: string): boolean {
  return WANTED.test(text);
}

/** The newest release that is `wanted` or begins with it; of all when `wanted` is empty. */
export function newestVersion(wanted: string, available: readonly string[]): string | undefined {
  return available
    .filter((version) => RELEASE.test(version) && (wanted === "" || version === wanted || version.startsWith(`${wanted}.`)))
    .sort(compareVersions)
    .at(-1);
}

/** Of versions that are numbers with dots. For `sort`: oldest first. */
export function compareVersions(left: string, right: string): number {
  const [a, b] = [left, right].map((version) => version.split(".").map(Number));
  for (let index = 0; index < 3; index += 1) {
    const difference = (a?.[index] ?? 0) - (b?.[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** The npm line that a Node release is published with. Newer lines refuse older Node versions. */
export function npmLineFor(nodeVersion: string): string {
  const major = Number(nodeVersion.split(".", 1)[0]);
  return major >= 24 ? "11" : "10";
}
