import { type BatchedOptions, type ResolvedBatch, resolveBatch } from "./batched.ts";
import { type Duration, durationMs } from "./duration.ts";
import { InvalidError } from "./errors.ts";
import { Image } from "./image/image.ts";
import { Retries } from "./retries.ts";
import { type Cron, type Period, scheduleOption } from "./schedule.ts";
import { checkSecrets, type Secret } from "./secret.ts";
import { showValue } from "./show-value.ts";
import { type Size, sizeMiB } from "./size.ts";

/** What is asked for, or that and a hard limit. */
export type Limit<T> = T | { readonly request: T; readonly limit: T };

export interface FunctionOptions {
  /** Default: the name under which it is exported, else the handler's. */
  readonly name?: string;
  /** Default: the app's, else a small Debian with Node 24. */
  readonly image?: Image;
  /** Variables of the environment; stored with the image, so not for secrets. */
  readonly env?: Readonly<Record<string, string>>;
  /** Variables that only containers see, on top of the app's; of one name the last counts. */
  readonly secrets?: readonly Secret[];
  /** Cores, e.g. 0.5. Default: no limit. */
  readonly cpu?: Limit<number>;
  /** Default: no limit. What exceeds it is killed. */
  readonly memory?: Limit<Size>;
  /** What a container may write to its file system. Default "10Gi". */
  readonly ephemeralDisk?: Size;
  /** For each attempt of an input; whole seconds, rounded up. Default "5m". */
  readonly timeout?: Duration;
  /** From the creation of a container until it takes inputs. Default "5m". */
  readonly startupTimeout?: Duration;
  /** A number is short for `new Retries({ maxRetries })`. Default 0. */
  readonly retries?: number | Retries;
  /** Inputs that one container works on at once. Default 1. */
  readonly concurrent?: { readonly maxInputs: number };
  /** The handler takes and returns lists, and works on several inputs at once; callers give and get one item each. */
  readonly batched?: BatchedOptions;
  /** Kept without work. Default 0. */
  readonly minContainers?: number;
  /** Default 100. */
  readonly maxContainers?: number;
  /** Ready beyond the need of the moment. Default 0. */
  readonly bufferContainers?: number;
  /** How long a container may be idle. Default "60s". */
  readonly scaledownWindow?: Duration;
  /** A fresh container for each input. Default false. */
  readonly singleUseContainers?: boolean;
  /** No network at all. Default false. */
  readonly blockNetwork?: boolean;
  /** When it is called by itself, without arguments, while its app is deployed. `lydian run` obeys none. */
  readonly schedule?: Cron | Period;
  /** Patterns of files that travel with the code, relative to the file of the function, e.g. ["./prompts/*.txt"]. */
  readonly assets?: readonly string[];
  /** Standard Schema of the one argument, checked in the container. */
  readonly input?: unknown;
  /** Names of the positional parameters, for callers that pass keywords. */
  readonly params?: readonly string[];
}

export interface ResolvedFunctionOptions {
  readonly image: Image | undefined;
  readonly milliCpu: number;
  readonly milliCpuMax: number;
  readonly memoryMiB: number;
  readonly memoryMaxMiB: number;
  readonly diskMiB: number;
  readonly timeoutSeconds: number;
  readonly startupTimeoutSeconds: number;
  readonly retries: Retries | undefined;
  readonly maxConcurrentInputs: number;
  readonly batch: ResolvedBatch | undefined;
  readonly minContainers: number;
  /** 0: the server's default. */
  readonly maxContainers: number;
  readonly bufferContainers: number;
  readonly scaledownSeconds: number;
  readonly singleUseContainers: boolean;
  readonly blockNetwork: boolean;
  readonly schedule: Cron | Period | undefined;
}

const SERVED = new Set<string>([
  ...([
    "name",
    "image",
    "env",
    "secrets",
    "cpu",
    "memory",
    "ephemeralDisk",
    "timeout",
    "startupTimeout",
    "retries",
    "concurrent",
    "batched",
  ] as const),
  ...([
    "minContainers",
    "maxContainers",
    "bufferContainers",
    "scaledownWindow",
    "singleUseContainers",
    "blockNetwork",
    "schedule",
    "assets",
    "input",
    "params",
  ] as const),
] satisfies (keyof FunctionOptions)[]);

/** Checks and completes. Throws InvalidError that names the option, the value and the rule; also for options that are not served. */
export function resolveOptions(options: FunctionOptions): ResolvedFunctionOptions {
  for (const [name, value] of Object.entries(options)) {
    if (SERVED.has(name) || value === undefined) continue;
    throw new InvalidError(`The function option \`${name}\` is not served yet, so it cannot be given.`, {
      hint: `Served are: ${[...SERVED].sort().join(", ")}.`,
    });
  }
  const { retries = 0, image, env, secrets } = options;
  if (secrets !== undefined) checkSecrets(secrets);
  if (image !== undefined && !Image.is(image)) throw new InvalidError("`image` must be an Image, e.g. Image.node().");
  if (env !== undefined) (image ?? Image.node()).env(env);
  const cpu = limits(options.cpu, "cpu", (value) => number(value, "cpu", 0.001, 1_024));
  const memory = limits(options.memory, "memory", (value) => sizeMiB(value, "memory"));
  const minContainers = whole(options.minContainers ?? 0, "minContainers", 0);
  const maxContainers = options.maxContainers === undefined ? 0 : whole(options.maxContainers, "maxContainers", 1);
  if (maxContainers > 0 && minContainers > maxContainers) {
    throw new InvalidError(
      `\`minContainers\` is ${minContainers} and \`maxContainers\` is ${maxContainers}: the minimum must not be above the maximum.`,
    );
  }
  const batch = resolveBatch(options.batched);
  const singleUseContainers = flag(options.singleUseContainers, "singleUseContainers");
  if (batch && singleUseContainers)
    throw new InvalidError("`batched` and `singleUseContainers` exclude each other: a container that takes one input has no batch.");
  return {
    image,
    milliCpu: Math.round(cpu.request * 1000),
    milliCpuMax: Math.round(cpu.limit * 1000),
    memoryMiB: memory.request,
    memoryMaxMiB: memory.limit,
    diskMiB: options.ephemeralDisk === undefined ? 0 : sizeMiB(options.ephemeralDisk, "ephemeralDisk"),
    timeoutSeconds: seconds(options.timeout ?? "5m", "timeout", 1),
    startupTimeoutSeconds: seconds(options.startupTimeout ?? "5m", "startupTimeout", 1),
    retries: retryRule(retries),
    maxConcurrentInputs: concurrentInputs(options.concurrent),
    batch,
    minContainers,
    maxContainers,
    bufferContainers: whole(options.bufferContainers ?? 0, "bufferContainers", 0),
    scaledownSeconds: seconds(options.scaledownWindow ?? "60s", "scaledownWindow", 0),
    singleUseContainers,
    blockNetwork: flag(options.blockNetwork, "blockNetwork"),
    schedule: scheduleOption(options.schedule),
  };
}

/** Known by its shape: the command line and the user's program may each have a copy of this package. */
function retryRule(retries: unknown): Retries | undefined {
  if (typeof retries === "number") return retries === 0 ? undefined : new Retries({ maxRetries: retries });
  if (typeof retries === "object" && retries !== null && "initialDelayMs" in retries) return retries as Retries;
  throw new InvalidError(`\`retries\` is ${showValue(retries)}; it must be a whole number from 0 to 100 or new Retries({ … }).`);
}

function concurrentInputs(concurrent: FunctionOptions["concurrent"]): number {
  if (concurrent === undefined) return 1;
  const isRecord = typeof concurrent === "object" && concurrent !== null && Object.keys(concurrent).every((key) => key === "maxInputs");
  if (!isRecord) throw new InvalidError(`\`concurrent\` is ${showValue(concurrent)}; it must be { maxInputs: … } and nothing more.`);
  return whole(concurrent.maxInputs, "concurrent.maxInputs", 1);
}

function limits<T>(value: Limit<T> | undefined, what: string, read: (value: T) => number): { request: number; limit: number } {
  if (value === undefined) return { request: 0, limit: 0 };
  if (typeof value !== "object" || value === null || !("request" in value)) return { request: read(value as T), limit: read(value as T) };
  const [request, limit] = [read(value.request), read(value.limit)];
  if (request <= limit) return { request, limit };
  throw new InvalidError(`\`${what}\` requests ${request} and limits to ${limit}: the limit must not be below the request.`);
}

function number(value: unknown, what: string, min: number, max: number): number {
  if (typeof value === "number" && value >= min && value <= max) return value;
  throw new InvalidError(`\`${what}\` is ${showValue(value)}; it must be a number from ${min} to ${max}.`);
}

function whole(value: unknown, what: string, min: number): number {
  if (Number.isInteger(value) && (value as number) >= min && (value as number) <= 10_000) return value as number;
  throw new InvalidError(`\`${what}\` is ${showValue(value)}; it must be a whole number from ${min} to 10000.`);
}

/** The wire has whole seconds. */
function seconds(value: Duration, what: string, min: number): number {
  const result = Math.ceil(durationMs(value, `\`${what}\``) / 1000);
  if (result >= min && result <= 86_400) return result;
  throw new InvalidError(`\`${what}\` is ${showValue(value)}; it must be from ${min} s to 24 hours.`);
}

function flag(value: boolean | undefined, what: string): boolean {
  if (value === undefined || typeof value === "boolean") return value ?? false;
  throw new InvalidError(`\`${what}\` is ${showValue(value)}; it must be true or false.`);
}
