// Chooses the container host of this machine.

import type { ContainerHost, Isolation } from "./host.ts";
import { createOciHost } from "./oci/oci-host.ts";
import { createProcessHost } from "./process/process-host.ts";
import { whyNoUserNamespace } from "./rootless/user-namespace.ts";

export interface CreateHostOptions {
  /** "auto": `oci` where it works, else `process`. */
  readonly kind: "auto" | "oci" | "process";
  /** Everything the host keeps. One host per directory at a time. */
  readonly stateDir: string;
  /** The launcher program. Default: `launcher.js` beside the bundle, or the TypeScript source compiled on the fly. */
  readonly launcherProgram?: string;
  /** Nothing weaker is started, and there is no host that has nothing but weaker. Default: whatever the host has. */
  readonly isolation?: Isolation;
  /** Told why "auto" did not choose `oci`. Default: nobody. */
  readonly onFallback?: (reason: string) => void;
}

export async function createHost(options: CreateHostOptions): Promise<ContainerHost> {
  const { kind, stateDir, launcherProgram, isolation } = options;
  const program = launcherProgram === undefined ? {} : { launcherProgram };
  if (kind === "process") {
    if (isolation !== undefined)
      throw new Error(
        `The isolation ${JSON.stringify(isolation)} is demanded, and the process host has none. Leave the demand out, or choose oci.`,
      );
    return createProcessHost({ stateDir, ...program });
  }
  try {
    const reason = whyNotOci();
    if (reason !== undefined) throw new Error(reason);
    return await createOciHost({ stateDir, ...program, ...(isolation !== undefined && { isolation }) });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    if (kind === "oci" || isolation !== undefined)
      throw new Error(`Containers cannot be run here: ${reason} \`lydian doctor\` says more.`, { cause: error });
    options.onFallback?.(reason);
    return createProcessHost({ stateDir, ...program });
  }
}

/** What rules the oci host out before anything is tried. */
export function whyNotOci(): string | undefined {
  if (process.platform !== "linux") return `OCI containers need Linux, and this is ${process.platform}.`;
  if (process.getuid?.() === 0) return undefined;
  const reason = whyNoUserNamespace();
  return reason === undefined
    ? "OCI containers need a user namespace here, which is entered when a server is started (`lydian server`)."
    : `OCI containers need root, or a user namespace. ${reason}`;
}
