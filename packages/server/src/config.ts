import { LydianError } from "@lydian/protocol";
import { z } from "zod";

const schema = z.object({
  /** Everything that lasts. Made when missing. */
  dataDir: z.string().min(1),
  /** TCP port; absent: only the unix socket. 0: any free one. */
  port: z.number().int().min(0).max(65_535).optional(),
  host: z.string().min(1).default("127.0.0.1"),
  /** A listening TCP socket that the parent holds; instead of `port`. */
  fd: z.number().int().min(3).optional(),
  containerHost: z.enum(["auto", "oci", "process"]).default("auto"),
  /** Directory with the programs that run inside of containers: runtime.mjs and boot.py. */
  runtimeDir: z.string().min(1),
  /** The program that starts containers; default: beside this one. */
  launcherProgram: z.string().min(1).optional(),
  npmRegistry: z.string().url().optional(),
  maxContainers: z.number().int().min(1).optional(),
  logLevel: z.enum(["debug", "info", "warn", "error"]).default("info"),
  version: z.string().default("0.1.0"),
});

export type ServerConfig = z.input<typeof schema>;
export type ResolvedServerConfig = z.output<typeof schema>;

/** Throws INVALID_ARGUMENT with each setting that is wrong and why. */
export function resolveConfig(config: ServerConfig): ResolvedServerConfig {
  const result = schema.safeParse(config);
  if (result.success) return result.data;
  const problems = result.error.issues.map(({ path, message }) => `${path.join(".") || "configuration"}: ${message}`);
  throw new LydianError("invalid_argument", `The server cannot be started like this. ${problems.join("; ")}.`);
}
