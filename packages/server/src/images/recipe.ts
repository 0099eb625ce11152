// An image recipe from the wire, checked, in the form that is stored and built.
import { createHash } from "node:crypto";
import { posix } from "node:path";
import { FunctionInputSchema, type Image, LydianError, RegistryAuthType, toBinary } from "@lydian/protocol";
import type { LoginKind } from "./registry-login.ts";

export interface RecipeFile {
  /** Absolute in the build context. */
  readonly path: string;
  readonly sha256: string;
  readonly mode: number;
}

export interface StoredBuildFunction {
  readonly id: string;
  /** Hash of its source, its globals and its arguments. */
  readonly key: string;
  /** Its arguments, as base64 of a FunctionInput; empty for none. */
  readonly input: string;
}

/** All that a build needs, by content: what it names never changes. Stored as JSON. */
export interface StoredRecipe {
  readonly lines: readonly string[];
  /** Image ids by the names that FROM uses. */
  readonly bases: Readonly<Record<string, string>>;
  /** Files sent with the recipe; their bytes are in the content store. */
  readonly files: readonly RecipeFile[];
  readonly contextMountId?: string;
  readonly buildArgs: Readonly<Record<string, string>>;
  /** Whose variables RUN lines see. */
  readonly secretIds?: readonly string[];
  /** The login of the registry that FROM names. */
  readonly registry?: { readonly secretId: string; readonly kind: LoginKind };
  /** Run once on top of the lines; what it writes becomes a layer. */
  readonly buildFunction?: StoredBuildFunction;
  /** Set in a build that must not find the layers of earlier ones. */
  readonly salt?: string;
}

/** A recipe whose files have not been stored yet. */
export interface ReceivedRecipe {
  readonly recipe: StoredRecipe;
  readonly data: readonly Uint8Array[];
}

const MAX_LINES = 10_000;
const MAX_LINE_BYTES = 2 ** 20;
const MAX_FILES = 1_000;
const LOGIN_KINDS: Readonly<Partial<Record<RegistryAuthType, LoginKind>>> = {
  [RegistryAuthType.STATIC_CREDS]: "static",
  [RegistryAuthType.GCP]: "gcp",
  [RegistryAuthType.AWS]: "aws",
};
const MAX_INPUT_BYTES = 4 * 2 ** 20;

/** Options of the wire that are not served, each by name. A recipe that sets one is refused: it would not do what it says. */
const UNSERVED: readonly { readonly field: string; readonly isSet: (image: Image) => boolean; readonly hint: string }[] = [
  {
    field: "gpu_config",
    isSet: (image) => image.gpuConfig !== undefined && (image.gpuConfig.count > 0 || image.gpuConfig.gpuType !== ""),
    hint: "Builds run without GPUs.",
  },
  { field: "volume_mounts", isSet: (image) => image.volumeMounts.length > 0, hint: "Volumes are not served yet." },
];

/** Throws `unimplemented` for options that are not served, `invalid_argument` for what cannot be. */
export function receiveRecipe(image: Image, buildFunctionId: string): ReceivedRecipe {
  const unserved = UNSERVED.find(({ isSet }) => isSet(image));
  if (unserved !== undefined)
    throw new LydianError("unimplemented", `The image sets ${unserved.field}, which is not served.`, { hint: unserved.hint });
  const buildFunction = buildFunctionOf(image, buildFunctionId);
  const registry = registryOf(image);
  const lines = buildFunction !== undefined && image.dockerfileCommands.length === 0 ? ["FROM base"] : image.dockerfileCommands;
  if (lines.length === 0)
    throw new LydianError("invalid_argument", "The image has no dockerfile_commands.", { hint: 'The first is e.g. "FROM node:24-slim".' });
  if (lines.length > MAX_LINES)
    throw new LydianError("invalid_argument", `The image has ${lines.length} Dockerfile lines; at most ${MAX_LINES} are possible.`);
  const long = lines.find((line) => Buffer.byteLength(line) > MAX_LINE_BYTES);
  if (long !== undefined)
    throw new LydianError("invalid_argument", `The Dockerfile line "${long.slice(0, 60)}…" has more than ${MAX_LINE_BYTES} bytes.`);
  if (image.contextFiles.length > MAX_FILES)
    throw new LydianError(
      "invalid_argument",
      `The image has ${image.contextFiles.length} context files; at most ${MAX_FILES} are possible.`,
      { hint: "Send them as a mount." },
    );
  const bases: Record<string, string> = {};
  for (const { dockerTag, imageId } of image.baseImages) {
    if (dockerTag === "" || imageId === "")
      throw new LydianError("invalid_argument", "A base image of the recipe has no docker_tag or no image_id.");
    bases[dockerTag] = imageId;
  }
  const files = image.contextFiles.map(({ filename, data }) => ({
    path: contextPath(filename),
    sha256: createHash("sha256").update(data).digest("hex"),
    mode: 0o644,
  }));
  return {
    recipe: {
      lines,
      bases,
      files,
      ...(image.contextMountId === "" ? {} : { contextMountId: image.contextMountId }),
      buildArgs: { ...image.buildArgs },
      ...(image.secretIds.length === 0 ? {} : { secretIds: image.secretIds }),
      ...(registry === undefined ? {} : { registry }),
      ...(buildFunction === undefined ? {} : { buildFunction }),
    },
    data: image.contextFiles.map(({ data }) => data),
  };
}

function registryOf({ imageRegistryConfig: config }: Image): StoredRecipe["registry"] {
  if (config === undefined || config.secretId === "") return undefined;
  const kind = LOGIN_KINDS[config.registryAuthType];
  if (kind !== undefined) return { secretId: config.secretId, kind };
  throw new LydianError("unimplemented", `Logins of the kind ${RegistryAuthType[config.registryAuthType]} are not served.`, {
    hint: "Give the secret REGISTRY_USERNAME and REGISTRY_PASSWORD.",
  });
}

function buildFunctionOf({ buildFunction }: Image, id: string): StoredBuildFunction | undefined {
  if (id === "" && buildFunction === undefined) return undefined;
  if (id === "" || buildFunction === undefined)
    throw new LydianError("invalid_argument", "An image that runs a function needs both build_function and build_function_id.");
  const { definition, globals } = buildFunction;
  const input = buildFunction.input === undefined ? new Uint8Array() : toBinary(FunctionInputSchema, buildFunction.input);
  if (input.byteLength > MAX_INPUT_BYTES) {
    const message = `The arguments of the image's function have ${input.byteLength} bytes; at most ${MAX_INPUT_BYTES} are possible.`;
    throw new LydianError("invalid_argument", message, { hint: "Put large values into a file of the image." });
  }
  const hash = createHash("sha256");
  for (const part of [Buffer.from(definition), globals, input]) hash.update(`${part.byteLength}:`).update(part);
  return { id, key: hash.digest("hex"), input: Buffer.from(input).toString("base64") };
}

export interface KeyParts {
  /** Of the context mount. */
  readonly mountChecksum?: string | undefined;
  /** Of the secrets' variables, whose ids differ from run to run. */
  readonly secrets?: string | undefined;
  /** Of the registry's login. */
  readonly login?: string | undefined;
}

/** Equal recipes have equal keys. */
export function recipeKey(recipe: StoredRecipe, { mountChecksum, secrets, login }: KeyParts = {}): string {
  const sorted = (record: Readonly<Record<string, string>>): [string, string][] =>
    Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1));
  const files = [...recipe.files].sort((a, b) => (a.path < b.path ? -1 : 1)).map(({ path, sha256, mode }) => [path, sha256, mode]);
  const content: unknown[] = [
    recipe.lines.join("\n"),
    sorted(recipe.bases),
    files,
    mountChecksum ?? null,
    sorted(recipe.buildArgs),
    secrets ?? null,
  ];
  if (login !== undefined) content.push(["login", login]);
  if (recipe.buildFunction !== undefined) content.push(recipe.buildFunction.key);
  return createHash("sha256").update(JSON.stringify(content)).digest("hex");
}

function contextPath(filename: string): string {
  const path = posix.resolve("/", filename);
  if (filename === "" || filename.includes("\0") || filename.split("/").includes("..") || path === "/") {
    throw new LydianError(
      "invalid_argument",
      `The context file ${JSON.stringify(filename.slice(0, 300))} has no path inside of the build context.`,
    );
  }
  return path;
}
