import { ISOLATIONS, registryName } from "@lydian/containers";
import { LydianError } from "@lydian/protocol";
import { z } from "zod";
import { tunnelsSchema } from "./tunnels/settings.ts";

/** A login in it would be seen in the list of processes, and in messages. */
const mirrorUrl = z
  .url({ protocol: /^https?$/, error: "the mirror is no http:// or https:// URL" })
  .refine((text) => !URL.canParse(text) || new URL(text).username === "", "the mirror's URL has a login: mirrors are asked without one");

const schema = z.object({
  /** Everything that lasts. Made when missing. */
  dataDir: z.string().min(1),
  /** TCP port; absent: only the unix socket. 0: any free one. */
  port: z.number().int().min(0).max(65_535).optional(),
  host: z.string().min(1).default("127.0.0.1"),
  /** A listening TCP socket that the parent holds; instead of `port`. */
  fd: z.number().int().min(3).optional(),
  containerHost: z.enum(["auto", "oci", "process"]).default("auto"),
  /** The weakest isolation that a container may have: nothing that has less starts, and no server that has nothing better. */
  isolation: z.enum(ISOLATIONS).optional(),
  /** Directory with the programs that run inside of containers: runtime.mjs and boot.py. */
  runtimeDir: z.string().min(1),
  /** The program that starts containers; default: beside this one. */
  launcherProgram: z.string().min(1).optional(),
  npmRegistry: z.string().url().optional(),
  /** By registry, e.g. "docker.io": the URL of one that is asked first. */
  registryMirrors: z
    .record(z.string(), mirrorUrl)
    .superRefine((mirrors, { addIssue }) => {
      for (const name of Object.keys(mirrors))
        if (registryName(name) === undefined)
          addIssue({ code: "custom", path: [name], message: "this is not the name of a registry, such as docker.io" });
    })
    .default({}),
  /** Sandboxes at once. Default: by the memory of the machine. */
  maxSandboxes: z.number().int().min(1).optional(),
  /** Sandboxes without a command of their own that were not used for so long, nor used the processor, are frozen until they are. 0: never. */
  freezeIdleMs: z.number().int().min(0).default(0),
  /** Sandboxes go on when the server ends, and are gone on with by the next one. Otherwise they end with it. */
  sandboxesOutlive: z.boolean().default(false),
  maxContainers: z.number().int().min(1).optional(),
  /** How ports of containers are reached from outside. */
  tunnels: tunnelsSchema.prefault({}),
  logLevel: z.enum(["debug", "info", "warn", "error"]).default("info"),
  version: z.string().default("0.1.0"),
});

export type ServerConfig = z.input<typeof schema>;
export type ResolvedServerConfig = z.output<typeof schema>;

/** Paths of unix sockets have 108 bytes; this is what stands after the data directory. */
const SOCKET_PATH_TAIL = "/run/ta-0123456789012345678901/run/api.sock".length;
const MAX_SOCKET_PATH = 107;

/** Throws INVALID_ARGUMENT with each setting that is wrong and why. */
export function resolveConfig(config: ServerConfig): ResolvedServerConfig {
  const result = schema.safeParse(config);
  if (result.success) {
    checkLength(result.data.dataDir);
    return result.data;
  }
  const problems = result.error.issues.map(({ path, message }) => `${path.join(".") || "configuration"}: ${message}`);
  throw new LydianError("invalid_argument", `The server cannot be started like this. ${problems.join("; ")}.`);
}

function checkLength(dataDir: string): void {
  if (Buffer.byteLength(dataDir) + SOCKET_PATH_TAIL <= MAX_SOCKET_PATH) return;
  throw new LydianError(
    "invalid_argument",
    `The data directory's path is too long (${dataDir}): the sockets in it may have ${MAX_SOCKET_PATH} bytes.`,
    { hint: `Choose one of at most ${MAX_SOCKET_PATH - SOCKET_PATH_TAIL} bytes.` },
  );
}
