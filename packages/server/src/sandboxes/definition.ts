// What a client asks for, checked once: bad values are refused with their rule, and what is not served by its name.
import type { Limits, NetworkPolicy } from "@lydian/containers";
import { LydianError, type Probe, type Sandbox as SandboxDefinition, TunnelType } from "@lydian/protocol";
import { inboundOf, networkOf } from "./network.ts";

export interface OpenPort {
  readonly port: number;
  readonly encrypted: boolean;
  readonly http2: boolean;
}

export type Readiness = { readonly intervalMs: number } & ({ readonly port: number } | { readonly argv: readonly string[] });

export interface ResolvedSandbox {
  readonly imageId: string;
  readonly mountIds: readonly string[];
  /** Empty: it runs nothing by itself, and lasts until it is ended. */
  readonly command: readonly string[];
  readonly name: string;
  readonly workdir: string | undefined;
  readonly timeoutMs: number;
  /** 0: never. */
  readonly idleTimeoutMs: number;
  readonly limits: Limits;
  /** Empty: the default. */
  readonly runtime: string;
  readonly network: NetworkPolicy;
  readonly pty: { readonly rows: number; readonly columns: number; readonly env: Readonly<Record<string, string>> } | undefined;
  readonly ports: readonly OpenPort[];
  /** Address ranges from which its ports may be reached; undefined: all. */
  readonly inbound: readonly string[] | undefined;
  readonly readiness: Readiness | undefined;
  readonly probe: Probe | undefined;
  /** Its files are kept as an image when it ends. */
  readonly exitSnapshot: boolean;
}

const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/;
const DEFAULT_TIMEOUT_SECONDS = 300;
const DAY_SECONDS = 86_400;
const MAX_MILLI_CPU = 1_024_000;
const MAX_MIB = 16_777_216;
const MIN_MIB = 16;
const MAX_ARGUMENTS_BYTES = 1 << 20;
const MAX_PORTS = 64;
const DEFAULT_INTERVAL_MS = 100;

const EXIT_SNAPSHOT = "enable_exit_snapshot";

/** Field of the definition → what it is called by those who create sandboxes. */
const NOT_SERVED = {
  nfsMounts: "network file systems",
  volumeMounts: "volumes",
  cloudBucketMounts: "bucket mounts",
  schedulerPlacement: "regions and placement",
  i6pnEnabled: "i6pn networks",
  proxyId: "proxies",
  enableSnapshot: "memory snapshots",
  cloudProviderStr: "choice of a cloud",
  customDomain: "domains of its own",
  includeOidcIdentityToken: "identity tokens",
  experimentalOutboundPolicy: "replacement of headers",
} as const satisfies Partial<Record<keyof SandboxDefinition, string>>;

const isSet = (value: unknown): boolean => {
  if (Array.isArray(value)) return value.length > 0;
  if (typeof value !== "object" || value === null) return Boolean(value);
  return "$typeName" in value || Object.keys(value).length > 0;
};

export function resolveSandbox(definition: SandboxDefinition): ResolvedSandbox {
  refuseUnserved(definition);
  const { name = "", timeoutSecs, idleTimeoutSecs = 0, entrypointArgs, workdir, imageId } = definition;
  if (name !== "") checkSandboxName(name);
  if (imageId === "") throw invalid("A sandbox needs an image: image_id is empty.");
  if (workdir !== undefined && workdir !== "" && !workdir.startsWith("/"))
    throw invalid(`The working directory ${JSON.stringify(workdir.slice(0, 200))} of a sandbox must begin with "/".`);
  checkArguments(entrypointArgs);
  const timeoutSeconds = timeoutSecs || DEFAULT_TIMEOUT_SECONDS;
  within("timeout (s)", timeoutSeconds, 1, DAY_SECONDS);
  within("idle timeout (s)", idleTimeoutSecs, 0, DAY_SECONDS);
  return {
    imageId,
    mountIds: definition.mountIds,
    command: entrypointArgs,
    name,
    workdir: workdir || undefined,
    timeoutMs: timeoutSeconds * 1000,
    idleTimeoutMs: idleTimeoutSecs * 1000,
    limits: limitsOf(definition),
    runtime: definition.runtime ?? "",
    network: networkOf(definition.networkAccess, definition.blockNetwork),
    pty: ptyOf(definition.ptyInfo),
    ports: portsOf(definition),
    inbound: inboundOf(definition.inboundCidrAllowlist),
    readiness: readinessOf(definition.readinessProbe),
    probe: definition.readinessProbe,
    exitSnapshot: optionsOf(definition).includes(EXIT_SNAPSHOT),
  };
}

export function checkSandboxName(name: string): void {
  if (NAME.test(name)) return;
  const shown = JSON.stringify(name.slice(0, 100));
  throw invalid(`${shown} is not a name of a sandbox: 1 to 64 letters, digits, or any of "_.-", beginning with a letter or digit.`);
}

export function checkArguments(argv: readonly string[]): void {
  const bytes = argv.reduce((sum, word) => sum + Buffer.byteLength(word) + 1, 0);
  if (bytes > MAX_ARGUMENTS_BYTES) throw invalid(`A command has ${bytes} bytes; it may have ${MAX_ARGUMENTS_BYTES}.`);
  if (argv.some((word) => word.includes("\0"))) throw invalid("A word of a command has a zero byte, which no process can be given.");
}

export interface Terminal {
  readonly rows: number;
  readonly columns: number;
  readonly env: Readonly<Record<string, string>>;
}

/** The terminal that is asked for, if any. */
export function ptyOf(
  pty:
    | { enabled: boolean; winszRows: number; winszCols: number; envTerm: string; envColorterm: string; envTermProgram: string }
    | undefined,
): Terminal | undefined {
  if (!pty?.enabled) return undefined;
  const env = { TERM: pty.envTerm || "xterm-256color", COLORTERM: pty.envColorterm, TERM_PROGRAM: pty.envTermProgram };
  const given = Object.entries(env).filter(([, value]) => value !== "" && !value.includes("\0"));
  const size = (value: number, otherwise: number) => (value > 0 && value < 65_536 ? value : otherwise);
  return { rows: size(pty.winszRows, 24), columns: size(pty.winszCols, 80), env: Object.fromEntries(given) };
}

function refuseUnserved(definition: SandboxDefinition): void {
  const { resources, runtime = "" } = definition;
  if (resources?.rdma) throw notServed("RDMA");
  if ((resources?.gpuConfig?.count ?? 0) > 0 || (resources?.gpuConfig?.gpuType ?? "") !== "") throw notServed("GPUs");
  if (runtime !== "" && runtime !== "gvisor") throw notServed(`the runtime ${JSON.stringify(runtime.slice(0, 40))}`);
  for (const [field, what] of Object.entries(NOT_SERVED)) {
    if (isSet(definition[field as keyof typeof NOT_SERVED])) throw notServed(what);
  }
  const other = optionsOf(definition).find((name) => name !== EXIT_SNAPSHOT);
  if (other !== undefined) throw notServed(`the experimental option ${JSON.stringify(other.slice(0, 100))}`);
}

/** Names of the experimental options that are set. Python writes "True", others "true". */
function optionsOf({ experimentalOptions, experimentalOptionsV2 }: SandboxDefinition): string[] {
  return Object.entries({ ...experimentalOptions, ...experimentalOptionsV2 }).flatMap(([name, value]) =>
    /^(false|)$/i.test(String(value)) ? [] : [name],
  );
}

function limitsOf({ resources }: SandboxDefinition): Limits {
  const { milliCpu = 0, milliCpuMax = 0, memoryMb = 0, memoryMbMax = 0, ephemeralDiskMb = 0 } = resources ?? {};
  within("cpu request (thousandths of a core)", milliCpu, 0, MAX_MILLI_CPU);
  within("cpu limit (thousandths of a core)", milliCpuMax, 0, MAX_MILLI_CPU);
  for (const [what, value] of [
    ["memory request (MiB)", memoryMb],
    ["memory limit (MiB)", memoryMbMax],
    ["ephemeral disk (MiB)", ephemeralDiskMb],
  ] as const)
    within(what, value || MIN_MIB, MIN_MIB, MAX_MIB);
  // A request is also the limit unless another is given: one sandbox must not take the machine down.
  const memoryMiB = memoryMbMax || memoryMb;
  return {
    ...(milliCpuMax > 0 && { cpu: milliCpuMax / 1000 }),
    ...(memoryMiB > 0 && { memoryMiB }),
    ...(ephemeralDiskMb > 0 && { diskMiB: ephemeralDiskMb }),
  };
}

function portsOf({ openPortsOneof }: SandboxDefinition): OpenPort[] {
  const ports = openPortsOneof.value?.ports ?? [];
  if (ports.length > MAX_PORTS) throw invalid(`A sandbox has ${ports.length} open ports; it may have ${MAX_PORTS}.`);
  const seen = new Set<number>();
  for (const { port } of ports) {
    within("port", port, 1, 65_535);
    if (seen.has(port)) throw invalid(`The port ${port} of a sandbox is opened twice.`);
    seen.add(port);
  }
  return ports.map(({ port, unencrypted, tunnelType }) => ({ port, encrypted: !unencrypted, http2: tunnelType === TunnelType.H2 }));
}

function readinessOf(probe: Probe | undefined): Readiness | undefined {
  if (probe === undefined) return undefined;
  const intervalMs = probe.intervalMs || DEFAULT_INTERVAL_MS;
  within("interval of the readiness probe (ms)", intervalMs, 1, DAY_SECONDS * 1000);
  const { probeOneof } = probe;
  if (probeOneof.case === "tcpPort") {
    within("port of the readiness probe", probeOneof.value, 1, 65_535);
    return { intervalMs, port: probeOneof.value };
  }
  const argv = probeOneof.case === "execCommand" ? probeOneof.value.argv : [];
  if (argv.length === 0) throw invalid("The readiness probe has neither a port nor a command.");
  checkArguments(argv);
  return { intervalMs, argv };
}

function within(what: string, value: number, min: number, max: number): void {
  if (value < min || value > max) throw invalid(`The sandbox has ${what} ${value}; it must be from ${min} to ${max}.`);
}

const invalid = (message: string) => new LydianError("invalid_argument", message);

const notServed = (what: string) =>
  new LydianError("unimplemented", `The sandbox asks for ${what}, which this server does not offer yet.`, { hint: "Remove that option." });
