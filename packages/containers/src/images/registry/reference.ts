import { ImageError } from "../errors.ts";

/** Where an image name points to. */
export interface ImageReference {
  /** `host[:port]`; "docker.io" when the name has none. */
  readonly registry: string;
  /** e.g. "library/node" */
  readonly repository: string;
  /** A tag, or a digest `sha256:…`. */
  readonly version: string;
}

export const DOCKER_HUB = "docker.io";
const NAMES_OF_HUB: readonly string[] = [DOCKER_HUB, "index.docker.io", "registry-1.docker.io"];
const REGISTRY = /^([A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*|\[[0-9a-fA-F:]+\])(:\d{1,5})?$/;

/** The one name of a registry that has several; undefined for what is not the name of one (`host[:port]`). */
export function registryName(name: string): string | undefined {
  if (!REGISTRY.test(name)) return undefined;
  return NAMES_OF_HUB.includes(name) ? DOCKER_HUB : name;
}

/** Parses `[registry/]repository[:tag][@digest]`. Throws ImageError "invalid" with the rule that is broken. */
export function parseReference(name: string): ImageReference {
  const fail = (rule: string): never => {
    throw new ImageError(
      "invalid",
      `"${name}" is not the name of an image: ${rule}. An example is "node:24-slim" or "registry.example.com/team/app:1.0".`,
    );
  };
  if (name.length > 512) fail("it is too long");
  const [beforeDigest = "", digest, more] = name.split("@");
  if (more !== undefined) fail('it has more than one "@"');
  if (digest !== undefined && !/^sha256:[0-9a-f]{64}$/.test(digest)) fail(`"${digest}" is not a sha256 digest`);
  const slash = beforeDigest.indexOf("/");
  const first = slash < 0 ? "" : beforeDigest.slice(0, slash);
  const hasRegistry = /[.:]/.test(first) || first === "localhost";
  const registry = hasRegistry ? registryName(first) : DOCKER_HUB;
  const rest = hasRegistry ? beforeDigest.slice(slash + 1) : beforeDigest;
  const colon = rest.lastIndexOf(":");
  const path = colon < 0 ? rest : rest.slice(0, colon);
  const tag = colon < 0 ? "latest" : rest.slice(colon + 1);
  if (registry === undefined) return fail(`"${first}" is not a registry`);
  if (!/^[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*)*$/.test(path))
    fail(`"${path}" is not a repository (lower-case letters, digits, ".", "_", "-" and "/")`);
  if (!/^\w[\w.-]{0,127}$/.test(tag)) fail(`"${tag}" is not a tag`);
  return {
    registry,
    repository: registry === DOCKER_HUB && !path.includes("/") ? `library/${path}` : path,
    version: digest ?? tag,
  };
}

/** The full name, the same for all ways to write it. */
export function formatReference(reference: ImageReference): string {
  return `${reference.registry}/${reference.repository}${reference.version.startsWith("sha256:") ? "@" : ":"}${reference.version}`;
}
