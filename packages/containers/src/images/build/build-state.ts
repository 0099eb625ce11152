// The image as it stands between two instructions, and the rules of those that change only its configuration.
import type { From, SetCommand, SetShell, SetText } from "../dockerfile/instructions.ts";
import { invalid } from "../dockerfile/parse.ts";
import { parseArgs, parsePairs, parsePorts, parseUser, parseWorkdir } from "../dockerfile/values.ts";
import { expandValue, type Lookup } from "../dockerfile/words.ts";
import { ImageError } from "../errors.ts";
import { type BuiltImage, type ImageConfig, SCRATCH } from "../image.ts";

const DEFAULT_SHELL: readonly string[] = ["/bin/sh", "-c"];

const ARCHITECTURE = process.arch === "x64" ? "amd64" : process.arch;
/** Arguments that need not be given. */
const PLATFORM: Readonly<Record<string, string>> = Object.fromEntries(
  ["TARGET", "BUILD"].flatMap((of) => [
    [`${of}PLATFORM`, `linux/${ARCHITECTURE}`],
    [`${of}OS`, "linux"],
    [`${of}ARCH`, ARCHITECTURE],
    [`${of}VARIANT`, ""],
  ]),
);

export class BuildState {
  readonly #given: Readonly<Record<string, string>>;
  readonly #declared = new Set<string>();
  #layers: readonly string[] = [];
  #config: ImageConfig = SCRATCH.config;
  /** ARG values that are visible now. Those before FROM are visible only in FROM. */
  #args: Record<string, string> = {};
  /** Those before the first FROM: each FROM sees them, and an ARG of a stage takes its value from them. */
  #global: Readonly<Record<string, string>> | undefined;

  constructor(buildArgs: Readonly<Record<string, string>>) {
    this.#given = buildArgs;
  }

  static scratch(): BuiltImage {
    return SCRATCH;
  }

  /** For hosts whose containers run on the machine's own files. */
  static withoutFiles(): BuiltImage {
    return { layers: [], config: { env: process.env.PATH === undefined ? {} : { PATH: process.env.PATH } } };
  }

  get layers(): readonly string[] {
    return this.#layers;
  }

  get config(): ImageConfig {
    return this.#config;
  }

  get args(): Readonly<Record<string, string>> {
    return this.#args;
  }

  get workdir(): string {
    return this.#config.workdir ?? "/";
  }

  get shell(): readonly string[] {
    return this.#config.shell ?? DEFAULT_SHELL;
  }

  /** Variables of the image win over arguments of the same name. */
  readonly lookup: Lookup = (name) => this.#config.env[name] ?? this.#args[name];

  image(): BuiltImage {
    return { layers: this.#layers, config: this.#config };
  }

  expandImageName(from: From): string {
    return this.#checked(from, () => expandValue(from.image, (name) => (this.#global ?? this.#args)[name] ?? PLATFORM[name]));
  }

  begin(base: BuiltImage): void {
    this.#global ??= this.#args;
    this.#layers = base.layers;
    this.#config = base.config;
    this.#args = {};
  }

  push(layer: string): void {
    this.#layers = [...this.#layers, layer];
  }

  apply(instruction: SetText | SetCommand | SetShell): void {
    const { lookup } = this;
    const config = this.#config;
    const set = (change: Partial<ImageConfig>): void => {
      this.#config = { ...config, ...change };
    };
    switch (instruction.kind) {
      case "env":
        set({ env: { ...config.env, ...Object.fromEntries(this.#checked(instruction, () => parsePairs(instruction.value, lookup))) } });
        break;
      case "label":
        set({
          labels: { ...config.labels, ...Object.fromEntries(this.#checked(instruction, () => parsePairs(instruction.value, lookup))) },
        });
        break;
      case "workdir":
        set({ workdir: this.#checked(instruction, () => parseWorkdir(instruction.value, config.workdir, lookup)) });
        break;
      case "user":
        set({ user: this.#checked(instruction, () => parseUser(instruction.value, lookup)) });
        break;
      case "expose":
        set({
          exposedPorts: [
            ...new Set([...(config.exposedPorts ?? []), ...this.#checked(instruction, () => parsePorts(instruction.value, lookup))]),
          ],
        });
        break;
      case "arg":
        for (const [name, byDefault] of this.#checked(instruction, () => parseArgs(instruction.value, lookup)))
          this.#declare(name, byDefault);
        break;
      case "shell":
        set({ shell: instruction.args });
        break;
      case "cmd":
        set({ cmd: this.#commandLine(instruction) });
        break;
      case "entrypoint": {
        // As with Docker: a new entry point makes the base's command meaningless.
        const { cmd: _, ...rest } = config;
        this.#config = { ...rest, entrypoint: this.#commandLine(instruction) };
        break;
      }
    }
  }

  #declare(name: string, byDefault: string | undefined): void {
    this.#declared.add(name);
    const value = this.#given[name] ?? byDefault ?? this.#global?.[name] ?? PLATFORM[name];
    if (value !== undefined) this.#args = { ...this.#args, [name]: value };
  }

  /** An argument that no ARG declares would be ignored in silence. */
  assertArgsUsed(): void {
    const unknown = Object.keys(this.#given).find((name) => !this.#declared.has(name));
    if (unknown !== undefined)
      throw new ImageError(
        "invalid",
        `The build argument "${unknown}" is not declared. Add "ARG ${unknown}" to the Dockerfile or remove the argument.`,
      );
  }

  #commandLine({ command }: SetCommand): readonly string[] {
    return command.form === "exec" ? command.args : [...this.shell, command.script];
  }

  #checked<T>(instruction: { line: number; text: string }, parse: () => T): T {
    try {
      return parse();
    } catch (error) {
      if (error instanceof RangeError) throw invalid(instruction.line, instruction.text, `cannot be read: ${error.message}.`);
      throw error;
    }
  }
}
