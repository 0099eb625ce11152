import { InvalidError } from "../errors.ts";
import { checkSecrets, type Secret } from "../secret.ts";

export interface AddLocalOptions {
  /** True: part of the image, seen by later steps. False: added when a container starts, without a build. Default false. */
  readonly copy?: boolean;
  /** For directories: leaves out a file, or a directory with all that it holds. Gets the path relative to the directory. */
  readonly ignore?: (path: string) => boolean;
}

export interface StepOptions {
  /** Variables that the commands of this step see, and that do not stay in the image. It runs anew when their values change. */
  readonly secrets?: readonly Secret[];
}

/** Local files that a step brings. */
export interface LocalFiles {
  readonly local: string;
  /** Absolute path in the container. */
  readonly remote: string;
  readonly isDirectory: boolean;
  readonly ignore?: ((path: string) => boolean) | undefined;
}

export type ImageStep =
  /** A line of a Dockerfile. */
  | { readonly kind: "line"; readonly line: string; readonly secrets: readonly Secret[] }
  /** Files that become part of the image here. */
  | { readonly kind: "copy"; readonly files: LocalFiles };

type NodeVersion = `${number}` | `${number}.${number}` | `${number}.${number}.${number}`;

const NPM_PACKAGE = /^(@[a-z0-9~][a-z0-9-._~]*\/)?[a-z0-9~][a-z0-9-._~]*(@[A-Za-z0-9._^~>=<|* -]+)?$/;
const DEBIAN_PACKAGE = /^[a-z0-9][a-z0-9+.-]*(=[A-Za-z0-9.+:~-]+)?$/;
/** Seen from the app as /node_modules: Node looks for packages in every directory above /app. */
const PACKAGES = "/usr/local/lib/lydian";
const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/;

// Registered: the command line and the user's program may each have a copy of this package.
const BRAND = Symbol.for("lydian.image.v1");

/**
 * What a container's file system holds, as a recipe. Immutable: each method returns a new image. Nothing is built before a function
 * that uses it is run; each step is cached by all that came before it.
 *
 * @example
 * const image = Image.node("24").apt(["ffmpeg"]).npmInstall(["sharp@0.34"]).env({ REGION: "eu" });
 */
export class Image {
  readonly [BRAND] = true;
  readonly base: string;
  readonly steps: readonly ImageStep[];
  /** Files that are added when a container starts. */
  readonly mounted: readonly LocalFiles[];
  /** Of an image that the server has and that the steps come on top of: then there is no other base. */
  readonly baseId: string | undefined;

  private constructor(base: string, steps: readonly ImageStep[], mounted: readonly LocalFiles[], baseId?: string) {
    this.base = base;
    this.steps = steps;
    this.mounted = mounted;
    this.baseId = baseId;
  }

  /** Of an image that the server has, e.g. a snapshot: what `Image.fromId` takes, also in another program. Undefined for a recipe. */
  get id(): string | undefined {
    return this.steps.length === 0 && this.mounted.length === 0 ? this.baseId : undefined;
  }

  /** True for an image of any copy of this package. */
  static is(value: unknown): value is Image {
    return typeof value === "object" && value !== null && BRAND in value;
  }

  /** Debian slim with Node and npm. Default version: the newest 24. */
  static node(version: NodeVersion = "24"): Image {
    if (!/^\d+(\.\d+){0,2}$/.test(version))
      throw new InvalidError(`${JSON.stringify(version)} is no version of Node: write for example "24" or "24.11.0".`);
    return new Image(`node:${version}-slim`, [], []);
  }

  /** Debian slim with Node and npm, which our functions need. `node: false` leaves them out, for images that only a later step completes. */
  static debianSlim({ node = "24" }: { readonly node?: NodeVersion | false } = {}): Image {
    return node === false ? new Image("debian:bookworm-slim", [], []) : Image.node(node);
  }

  /** Any image of a registry that the server reaches, e.g. "registry.example.com/team/tools:3". It must have `node` to run functions. */
  static fromRegistry(tag: string): Image {
    if (!/^[\w.:/@-]{1,255}$/.test(tag)) throw new InvalidError(`${JSON.stringify(tag)} is no reference of an image.`);
    return new Image(tag, [], []);
  }

  /** One that the server has, e.g. a snapshot of a sandbox, by its id. Asks the server for nothing. */
  static fromId(id: string): Image {
    if (!/^im-[0-9A-Za-z]{1,64}$/.test(id))
      throw new InvalidError(`${JSON.stringify(id)} is not an id of an image: "im-" and letters or digits are expected.`);
    return new Image("", [], [], id);
  }

  /** Installs Debian packages, e.g. ["jq", "curl=7.88.1-10"]. */
  apt(packages: readonly string[], options: StepOptions = {}): Image {
    checkAll(packages, DEBIAN_PACKAGE, "a Debian package");
    return this.#line(
      `RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends ${packages.join(" ")} && rm -rf /var/lib/apt/lists/*`,
      options,
    );
  }

  /** Installs npm packages where the app's imports find them, e.g. ["sharp@0.34"]. */
  npmInstall(packages: readonly string[], options: StepOptions = {}): Image {
    checkAll(packages, NPM_PACKAGE, "an npm package");
    const names = packages.map(quote).join(" ");
    return this.#line(
      `RUN mkdir -p ${PACKAGES} && npm install --prefix ${PACKAGES} --no-package-lock --no-audit --no-fund ${names} && ln -sfn ${PACKAGES}/node_modules /node_modules`,
      options,
    );
  }

  /** Runs shell commands, one step each. */
  run(commands: string | readonly string[], options: StepOptions = {}): Image {
    const list = typeof commands === "string" ? [commands] : commands;
    let image: Image = this;
    for (const command of list) {
      if (command.trim() === "") throw new InvalidError("A command of `run` is empty.");
      // An instruction is one line, and no here-document of a Dockerfile: what could be read otherwise travels as escapes of `printf`.
      const isPlain = !/[\n\r]|<<|\\\s*$/.test(command);
      image = image.#line(isPlain ? `RUN ${command}` : `RUN printf %b ${quote(escaped(command))} | sh -e`, options);
    }
    return image;
  }

  /** Variables of the environment of later steps and of containers. Stored in clear: not for secrets. */
  env(variables: Readonly<Record<string, string>>): Image {
    let image: Image = this;
    for (const [name, value] of Object.entries(variables)) {
      if (!VARIABLE.test(name))
        throw new InvalidError(`${JSON.stringify(name)} is no name of a variable: letters, digits and "_", not beginning with a digit.`);
      if (typeof value !== "string") throw new InvalidError(`The variable ${name} is ${JSON.stringify(value)}; it must be a string.`);
      if (/[\n\r\0]/.test(value))
        throw new InvalidError(`The variable ${name} has a line break or a NUL in its value, which an image cannot hold.`);
      image = image.#line(`ENV ${name}=${quote(value)}`);
    }
    return image;
  }

  /** The directory in which later steps and functions start. */
  workdir(path: string): Image {
    const directory = absolute(path);
    return this.#line(`WORKDIR ${/^[\w./@:+-]+$/.test(directory) ? directory : quote(directory)}`);
  }

  /** Adds a file of this machine. `remote` is an absolute path; one that ends in "/" is a directory to put it in. */
  addLocalFile(local: string, remote: string, { copy = false }: Pick<AddLocalOptions, "copy"> = {}): Image {
    const target = remote.endsWith("/") ? `${remote}${local.slice(local.lastIndexOf("/") + 1)}` : remote;
    return this.#add({ local, remote: absolute(target), isDirectory: false }, copy);
  }

  /** Adds what is in a directory of this machine, subdirectories included. */
  addLocalDir(local: string, remote: string, { copy = false, ignore }: AddLocalOptions = {}): Image {
    return this.#add({ local, remote: absolute(remote), isDirectory: true, ignore }, copy);
  }

  /** Lines of a Dockerfile, e.g. ["USER node"]. FROM, COPY and ADD have methods of their own. */
  dockerfile(lines: readonly string[]): Image {
    let image: Image = this;
    for (const line of lines) {
      if (/^\s*(FROM|COPY|ADD)\b/i.test(line))
        throw new InvalidError(
          `${JSON.stringify(line)}: FROM, COPY and ADD are not taken here; use fromRegistry, addLocalFile and addLocalDir.`,
        );
      if (/[\n\r]/.test(line)) throw new InvalidError(`${JSON.stringify(line)} is more than one line: give each as an element of its own.`);
      image = image.#line(line);
    }
    if (lines.at(-1)?.trimEnd().endsWith("\\"))
      throw new InvalidError(`${JSON.stringify(lines.at(-1))} continues on a line that is not there.`);
    return image;
  }

  /** For recipes that are shared: `image.pipe(withFfmpeg, "7.1")`. */
  pipe<A extends readonly unknown[]>(recipe: (image: Image, ...args: A) => Image, ...args: A): Image {
    return recipe(this, ...args);
  }

  #line(line: string, { secrets = [], ...others }: StepOptions = {}): Image {
    const [unknown] = Object.keys(others);
    if (unknown !== undefined) throw new InvalidError(`A step of an image has no option \`${unknown}\`.`, { hint: "Served is: secrets." });
    checkSecrets(secrets);
    return new Image(this.base, [...this.steps, { kind: "line", line, secrets }], this.mounted, this.baseId);
  }

  #add(files: LocalFiles, copy: boolean): Image {
    if (copy) return new Image(this.base, [...this.steps, { kind: "copy", files }], this.mounted, this.baseId);
    return new Image(this.base, this.steps, [...this.mounted, files], this.baseId);
  }
}

function checkAll(values: readonly string[], pattern: RegExp, what: string): void {
  if (values.length === 0) throw new InvalidError(`No ${what.replace(/^an? /, "")}s were given.`);
  for (const value of values) if (!pattern.test(value)) throw new InvalidError(`${JSON.stringify(value)} is no name of ${what}.`);
}

function absolute(path: string): string {
  const isFine = path.startsWith("/") && !path.split("/").some((part) => part === ".." || part === ".") && !/[\n\r\0]/.test(path);
  if (!isFine) throw new InvalidError(`${JSON.stringify(path)} must be an absolute path in the container, without "." and "..".`);
  return path.length > 1 ? path.replace(/\/+$/, "") : path;
}

const quote = (text: string): string => `'${text.replaceAll("'", `'"'"'`)}'`;

const escaped = (script: string): string =>
  script.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll("\r", "\\r").replaceAll("<", "\\0074");
