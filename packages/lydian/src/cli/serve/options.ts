import type { Isolation } from "@lydian/containers";
import type { ServerConfig } from "@lydian/server";

export type ContainerHostKind = "auto" | "oci" | "process";

/** What `lydian server` was asked for, checked. Travels to the server's process as JSON. */
export interface ServeOptions {
  readonly dataDir: string;
  /** Absent: unix socket only. 0: any free port. */
  readonly port?: number;
  readonly host: string;
  readonly containerHost: ContainerHostKind;
  /** Nothing that is isolated less is started. Absent: whatever the machine has. */
  readonly isolation?: Isolation;
  readonly logLevel: "debug" | "info" | "warn" | "error";
  /** By registry: the URL of one that is asked first. */
  readonly registryMirrors: Readonly<Record<string, string>>;
  /** Freeze sandboxes that nobody has used for this long. Absent: never. */
  readonly freezeIdleMs?: number;
  /** How ports of containers are reached from outside. */
  readonly tunnels: NonNullable<ServerConfig["tunnels"]>;
  /** Sandboxes go on when the server ends. */
  readonly sandboxesOutlive: boolean;
  /** Stop after no app has lived for this long. Absent: never. */
  readonly idleExitMs?: number;
}

/** What the server's process tells its parent. */
export interface ReadyMessage {
  readonly type: "ready";
  readonly socketUrl: string;
}
