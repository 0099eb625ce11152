// What a sandbox may be asked to be, and the checks of it.
import type { MessageInitShape, PortSpecSchema, ProbeSchema, ResourcesSchema } from "@lydian/protocol";
import { TunnelType } from "@lydian/protocol";
import type { App } from "../app.ts";
import { type Duration, durationMs } from "../duration.ts";
import { InvalidError } from "../errors.ts";
import { Image } from "../image/image.ts";
import type { Limit } from "../options.ts";
import type { Secret, Variables } from "../secret.ts";
import { showValue } from "../show-value.ts";
import { type Size, sizeMiB } from "../size.ts";
import { type NetworkPolicy, networkAccess } from "./network-policy.ts";
import { checkPort, type Probe } from "./probe.ts";
import { checkPty, type PtySize } from "./pty.ts";

/** Options that a sandbox and its sidecars share. */
export interface ContainerOptions {
  /** Default: Debian with Node 24. */
  readonly image?: Image;
  /** The program and its arguments. Default: none; it waits for `exec`. */
  readonly command?: readonly string[];
  /** Absolute. Default: that of the image. */
  readonly workdir?: string;
  /** Variables on top of the image's and of `secrets`. */
  readonly env?: Variables;
  /** Variables that are not stored with it in clear; of one name the last counts. */
  readonly secrets?: readonly Secret[];
  /** A terminal for the command. Default false. */
  readonly pty?: boolean | PtySize;
  /** What it can reach. Default "open". */
  readonly network?: NetworkPolicy;
}

export interface SandboxOptions extends ContainerOptions {
  /** The app it belongs to, or the name of one, which is made when there is none. Default: the app that runs here. */
  readonly app?: App | string;
  /** Unique among the sandboxes of the app that run. */
  readonly name?: string;
  readonly tags?: Readonly<Record<string, string>>;
  /** Then it is ended. Whole seconds, rounded up. Default "5m". */
  readonly timeout?: Duration;
  /** Ended after so long without a process, a connection or input. Default: never. */
  readonly idleTimeout?: Duration;
  /** Cores. Default: no limit. */
  readonly cpu?: Limit<number>;
  /** Default: no limit. */
  readonly memory?: Limit<Size>;
  /** E.g. "A100" or "A100:2". */
  readonly gpu?: string;
  /** Which isolation it must have; where it is not installed, creating fails. Default: the best that the server has. */
  readonly runtime?: "gvisor" | "vm";
  /** Ranges of addresses that may connect to its ports. Default: all. */
  readonly inboundCidrs?: readonly string[];
  /** Ports that are reachable from outside: with TLS before them, with TLS and HTTP/2, or as they are. */
  readonly ports?: { readonly tls?: readonly number[]; readonly h2?: readonly number[]; readonly tcp?: readonly number[] };
  /** How it is found out that it is ready, for `waitUntilReady`. */
  readonly readiness?: Probe;
  /** The server writes more of what it does into its log. Default false. */
  readonly verbose?: boolean;
  /** What leaving an `await using` scope does. Default "terminate". */
  readonly onDispose?: "terminate" | "detach";
}

export interface ResolvedSandboxOptions {
  readonly image: Image;
  readonly command: string[];
  readonly timeoutSeconds: number;
  readonly idleTimeoutSeconds: number | undefined;
  readonly workdir: string | undefined;
  readonly resources: MessageInitShape<typeof ResourcesSchema>;
  readonly ports: MessageInitShape<typeof PortSpecSchema>[];
  readonly probe: MessageInitShape<typeof ProbeSchema> | undefined;
  readonly pty: PtySize | undefined;
}

const CONTAINER = ["image", "command", "workdir", "env", "secrets", "pty", "network"] as const satisfies (keyof ContainerOptions)[];
const SANDBOX = [
  ...CONTAINER,
  ...(["app", "name", "tags", "timeout", "idleTimeout", "cpu", "memory", "gpu", "runtime", "inboundCidrs", "ports"] as const),
  ...(["readiness", "verbose", "onDispose"] as const),
] as const satisfies (keyof SandboxOptions)[];

/** What is asked for elsewhere, and is said to be missing instead of unknown. */
const NOT_SERVED: readonly string[] = ["volumes", "networkFileSystems", "proxy", "cloud", "region", "customDomain", "oidcToken"];

/** Throws InvalidError for what is no object, and for options that are not among these, by name. `what`: e.g. "a sandbox". */
export function refuseOthers(options: unknown, what: string, known: readonly string[]): void {
  const hint = `There are: ${[...known].sort().join(", ")}.`;
  if (typeof options !== "object" || options === null || Array.isArray(options))
    throw new InvalidError(`The options of ${what} are ${showValue(options)}; they must be an object.`, { hint });
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined || known.includes(name)) continue;
    const problem = NOT_SERVED.includes(name)
      ? `The option \`${name}\` of ${what} is not served yet, so it cannot be given.`
      : `There is no option \`${name}\` of ${what}.`;
    throw new InvalidError(problem, { hint });
  }
}

/** Checks and completes. Throws InvalidError that names the option, the value and the rule. */
export function resolveSandboxOptions(options: SandboxOptions): ResolvedSandboxOptions {
  refuseOthers(options, "a sandbox", SANDBOX);
  const { tags = {}, name, onDispose, readiness, timeout = "5m", idleTimeout, gpu, runtime, inboundCidrs = [], verbose } = options;
  if (name !== undefined && (typeof name !== "string" || name === ""))
    throw new InvalidError(`\`name\` is ${showValue(name)}; it must be a string that is not empty.`);
  checkTags(tags);
  if (onDispose !== undefined && onDispose !== "terminate" && onDispose !== "detach")
    throw new InvalidError(`\`onDispose\` is ${showValue(onDispose)}; it must be "terminate" or "detach".`);
  if (runtime !== undefined && runtime !== "gvisor" && runtime !== "vm")
    throw new InvalidError(`\`runtime\` is ${showValue(runtime)}; it must be "gvisor" or "vm", or be left out.`);
  if (!areStrings(inboundCidrs))
    throw new InvalidError(`\`inboundCidrs\` is ${showValue(inboundCidrs)}; it must be a list of ranges, e.g. ["203.0.113.0/24"].`);
  if (verbose !== undefined && typeof verbose !== "boolean")
    throw new InvalidError(`\`verbose\` is ${showValue(verbose)}; it must be true or false.`);
  return {
    ...resolveContainerOptions(options),
    timeoutSeconds: wholeSeconds(timeout, "timeout"),
    idleTimeoutSeconds: idleTimeout === undefined ? undefined : wholeSeconds(idleTimeout, "idleTimeout"),
    resources: { ...cpuOf(options.cpu), ...memoryOf(options.memory), ...(gpu === undefined ? {} : { gpuConfig: gpuOf(gpu) }) },
    ports: portsOf(options.ports ?? {}),
    probe: readiness === undefined ? undefined : probeOf(readiness),
  };
}

/** What a sandbox and its sidecars share. */
export function resolveContainerOptions({ image = Image.node(), command = [], workdir, pty, network }: ContainerOptions) {
  if (!Image.is(image)) throw new InvalidError("`image` must be an Image, e.g. Image.node().");
  if (!areStrings(command) || command[0] === "")
    throw new InvalidError(
      `\`command\` is ${showValue(command)}; it must be a list of strings, of which the first is a program, e.g. ["sleep", "60"].`,
    );
  if (workdir !== undefined && !(typeof workdir === "string" && workdir.startsWith("/")))
    throw new InvalidError(`\`workdir\` is ${showValue(workdir)}; it must be an absolute path in the container.`);
  networkAccess(network);
  return { image, command: [...command], workdir, pty: checkPty(pty) };
}

export const CONTAINER_OPTIONS: readonly string[] = CONTAINER;

/** Throws InvalidError unless all values are strings. */
export function checkTags(tags: unknown): asserts tags is Record<string, string> {
  const isRecord = typeof tags === "object" && tags !== null && !Array.isArray(tags);
  if (isRecord && Object.values(tags).every((value) => typeof value === "string")) return;
  throw new InvalidError(`\`tags\` is ${showValue(tags)}; it must be an object of strings, e.g. { team: "search" }.`);
}

const areStrings = (values: unknown): values is string[] => Array.isArray(values) && values.every((value) => typeof value === "string");

const DAY_SECONDS = 86_400;

/** Of the wire; at least one, at most a day. */
export function wholeSeconds(duration: Duration, what: string): number {
  const seconds = Math.ceil(durationMs(duration, `\`${what}\``) / 1000);
  if (seconds >= 1 && seconds <= DAY_SECONDS) return seconds;
  throw new InvalidError(`\`${what}\` is ${showValue(duration)}; it must be from 1 s to 24 h.`);
}

function cpuOf(cpu: SandboxOptions["cpu"]) {
  if (cpu === undefined) return {};
  const { request, limit } = typeof cpu === "object" && cpu !== null ? cpu : { request: cpu, limit: cpu };
  for (const value of [request, limit])
    if (!(typeof value === "number" && value > 0 && value <= 1_024))
      throw new InvalidError(`\`cpu\` is ${showValue(cpu)}; it must be a number above 0 and at most 1024, or { request, limit } of such.`);
  if (request > limit)
    throw new InvalidError(`\`cpu\` requests ${request} and limits to ${limit}: the limit must not be below the request.`);
  return { milliCpu: Math.round(request * 1000), milliCpuMax: Math.round(limit * 1000) };
}

function memoryOf(memory: SandboxOptions["memory"]) {
  if (memory === undefined) return {};
  const { request, limit } = typeof memory === "object" && memory !== null ? memory : { request: memory, limit: memory };
  const [memoryMb, memoryMbMax] = [sizeMiB(request, "`memory`"), sizeMiB(limit, "`memory`")];
  if (memoryMb > memoryMbMax)
    throw new InvalidError(`\`memory\` requests ${memoryMb} and limits to ${memoryMbMax}: the limit must not be below the request.`);
  return { memoryMb, memoryMbMax };
}

function gpuOf(gpu: unknown) {
  const match = typeof gpu === "string" ? /^([A-Za-z][A-Za-z0-9-]*)(?::([1-9]\d?))?$/.exec(gpu) : undefined;
  if (!match) throw new InvalidError(`\`gpu\` is ${showValue(gpu)}; write for example "A100" or "A100:2".`);
  return { gpuType: match[1] ?? "", count: Number(match[2] ?? 1) };
}

function portsOf(ports: NonNullable<SandboxOptions["ports"]>): MessageInitShape<typeof PortSpecSchema>[] {
  const { tls = [], h2 = [], tcp = [] } = ports ?? {};
  const isRecord = typeof ports === "object" && ports !== null && !Array.isArray(ports);
  if (!isRecord || [tls, h2, tcp].some((list) => !Array.isArray(list)))
    throw new InvalidError(`\`ports\` is ${showValue(ports)}; it must be { tls: […], h2: […], tcp: […] }.`);
  refuseOthers(ports, "`ports`", ["tls", "h2", "tcp"]);
  const all = [...tls, ...h2, ...tcp].map((port) => checkPort(port, "A port of `ports`"));
  const twice = all.find((port, index) => all.indexOf(port) !== index);
  if (twice !== undefined) throw new InvalidError(`The port ${twice} is in \`ports\` twice.`);
  return [
    ...tls.map((port) => ({ port })),
    ...h2.map((port) => ({ port, tunnelType: TunnelType.H2 })),
    ...tcp.map((port) => ({ port, unencrypted: true })),
  ];
}

/** Known by its shape: the program may have another copy of this package. */
function probeOf(readiness: Probe): MessageInitShape<typeof ProbeSchema> {
  const { check, intervalMs } = readiness ?? {};
  if (typeof check !== "object" || typeof intervalMs !== "number")
    throw new InvalidError("`readiness` must be a Probe, e.g. Probe.tcp(8000).");
  const probeOneof =
    "port" in check ? { case: "tcpPort" as const, value: check.port } : { case: "execCommand" as const, value: { argv: [...check.argv] } };
  return { probeOneof, intervalMs };
}
