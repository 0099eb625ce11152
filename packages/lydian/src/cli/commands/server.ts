import { resolve } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import { defaultDataDir } from "../../config/home.ts";
import { reportError } from "../display/report-error.ts";
import { EXIT, ExitError } from "../exit.ts";
import { parseDuration } from "../parse-duration.ts";
import type { ContainerHostKind, ServeOptions } from "../serve/options.ts";
import { parsePort, type TunnelFlags, tunnelOptions, tunnelsOf } from "./tunnel-options.ts";

interface ServerFlags extends TunnelFlags {
  readonly port?: number;
  readonly host: string;
  readonly data?: string;
  readonly containerHost: ContainerHostKind;
  readonly isolation?: ServeOptions["isolation"];
  readonly registryMirror?: Readonly<Record<string, string>>;
  readonly idleExit?: string;
  readonly freezeIdle?: string;
  readonly keepSandboxes: boolean;
  readonly logLevel: ServeOptions["logLevel"];
}

/** `docker.io=https://mirror.example`, several of them with commas between. */
function parseMirrors(text: string, before: Readonly<Record<string, string>> = {}): Record<string, string> {
  const pairs = text.split(",").map((pair) => /^([^=]+)=(\S+)$/.exec(pair.trim()));
  if (pairs.includes(null)) throw new InvalidArgumentError('a mirror is written like "docker.io=https://mirror.example".');
  return { ...before, ...Object.fromEntries(pairs.map((pair) => [pair?.[1] ?? "", pair?.[2] ?? ""])) };
}

export function serverCommand(): Command {
  const server = new Command("server")
    .description("run a server until it is stopped; one line on stdout says that it is ready")
    .addOption(
      new Option("--port <number>", "TCP port, 0 for any free one (default: none, only the unix socket in the data directory)").argParser(
        parsePort,
      ),
    )
    .option("--host <address>", "IP address to listen on; callers need a token on any", "127.0.0.1")
    .option("--data <dir>", "data directory (default: data in LYDIAN_HOME, which is ~/.lydian)")
    .addOption(
      new Option("--container-host <kind>", "what runs containers")
        .choices(["auto", "oci", "process"])
        .default("auto")
        .env("LYDIAN_CONTAINER_HOST"),
    )
    .addOption(
      new Option("--isolation <level>", "start no container that is isolated less (default: whatever the machine has)")
        .choices(["namespaces", "user-namespace", "gvisor"])
        .env("LYDIAN_ISOLATION"),
    )
    .addOption(
      new Option("--registry-mirror <registry=url>", "ask this registry first for images of that one; may be repeated")
        .argParser(parseMirrors)
        .env("LYDIAN_REGISTRY_MIRRORS"),
    )
    .option("--freeze-idle <duration>", "freeze sandboxes that nobody has used for so long, until somebody does (default: never)")
    .option("--no-keep-sandboxes", "end sandboxes with the server (default: they go on, and the next server on the same data finds them)")
    .option("--idle-exit <duration>", "stop after no app has lived for this long, e.g. 60s (default: never)")
    .addOption(
      new Option("--log-level <level>", "what is written to stderr")
        .choices(["debug", "info", "warn", "error"])
        .default("info")
        .env("LYDIAN_LOG_LEVEL"),
    );
  for (const option of tunnelOptions()) server.addOption(option);
  return server.action(async (flags: ServerFlags) => {
    const { supervise } = await import("../serve/supervisor.ts");
    const options = resolveOptions(flags);
    const code = await supervise(options, (url) => {
      process.stdout.write(`lydian server ready at ${url} (data ${options.dataDir}, pid ${process.pid})\n`);
      // The command that started this one waits for it.
      process.send?.({ type: "ready" });
      if (process.connected) process.disconnect();
    });
    throw new ExitError(code);
  });
}

/** What the supervisor starts. Not for people. */
export function serverProcessCommand(): Command {
  return new Command("internal-server").argument("<options>").action(async (json: string) => {
    const { runServerProcess } = await import("../serve/server-process.ts");
    let code: number = EXIT.failed;
    try {
      code = await runServerProcess(JSON.parse(json) as ServeOptions);
    } catch (error) {
      reportError(error);
    }
    // The channel to the parent would keep this process alive.
    process.exit(code);
  });
}

function resolveOptions(flags: ServerFlags): ServeOptions {
  return {
    dataDir: resolve(flags.data ?? defaultDataDir()),
    ...(flags.port === undefined ? {} : { port: flags.port }),
    host: flags.host,
    containerHost: flags.containerHost,
    ...(flags.isolation !== undefined && { isolation: flags.isolation }),
    logLevel: flags.logLevel,
    registryMirrors: flags.registryMirror ?? {},
    ...(flags.freezeIdle === undefined ? {} : { freezeIdleMs: parseDuration(flags.freezeIdle, "--freeze-idle") }),
    tunnels: tunnelsOf(flags),
    // One that goes when it is idle is nobody's to start again.
    sandboxesOutlive: flags.keepSandboxes && flags.idleExit === undefined,
    ...(flags.idleExit === undefined ? {} : { idleExitMs: parseDuration(flags.idleExit, "--idle-exit") }),
  };
}
