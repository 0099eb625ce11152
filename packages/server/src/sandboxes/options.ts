// What sandboxes need, are asked to be, and are looked for by.
import { totalmem } from "node:os";
import type { Deadlines } from "../calls/deadlines.ts";
import type { Execs } from "../execs/execs.ts";
import type { Logs } from "../logs/logs.ts";
import type { ResolvedSandbox } from "./definition.ts";
import type { SandboxFiles } from "./kept-sandbox.ts";
import type { ContainerKey, Sandbox, StartedContainer } from "./sandbox.ts";
import type { FoundContainer } from "./start-container.ts";
import type { SandboxStore } from "./store.ts";

export interface SandboxesOptions {
  readonly store: SandboxStore;
  readonly execs: Execs;
  readonly logs: Pick<Logs, "append" | "flush">;
  readonly deadlines: Deadlines;
  readonly now: () => number;
  /** Resolves when the container runs and its agent answers. */
  readonly startContainer: (sandbox: Sandbox) => Promise<StartedContainer>;
  /** Lets its ports be reached from outside. */
  readonly openPorts: (sandbox: Sandbox) => Promise<void>;
  readonly closePorts: (sandbox: Sandbox) => void;
  /** Finds the container of one that an earlier server has started. */
  readonly findContainer: (key: ContainerKey) => Promise<FoundContainer | undefined>;
  /** They go on when the server is stopped or killed, where that can be, and are found at the next start. */
  readonly outlive: boolean;
  /** Keeps the files of one that ends. Never rejects. */
  readonly keepFiles: (sandbox: Sandbox, started: StartedContainer) => Promise<void>;
  /** A directory for each sandbox below it. */
  readonly dir: string;
  /** What is kept there for the next server. */
  readonly files: SandboxFiles;
  /** An app that is over has no sandboxes. */
  readonly isAppLive: (appId: string) => boolean;
  /** At once. */
  readonly maxSandboxes: number;
  /** See `IdleFreeze`. */
  readonly freezeIdleMs: number;
  /** Told of each that runs, with the times of its stages. */
  readonly onStarted: (what: string) => void;
  readonly onError: (what: string, error: unknown) => void;
}

/** Three quarters of the memory at 16 MiB each. */
export function defaultMaxSandboxes(): number {
  return Math.max(16, Math.floor((totalmem() * 0.75) / (16 << 20)));
}

export interface NewSandbox {
  readonly generation: 1 | 2;
  readonly workspaceId: string;
  readonly environmentId: string;
  readonly appId: string;
  readonly resolved: ResolvedSandbox;
  readonly env: Readonly<Record<string, string>>;
  readonly workdir: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly idempotencyKey: string;
}

export interface SandboxFilter {
  readonly workspaceId: string;
  /** Empty: of all apps. */
  readonly appId: string;
  /** Empty: of all environments. */
  readonly environmentId: string;
  readonly tags: Readonly<Record<string, string>>;
  /** Milliseconds since the epoch; 0: no bound. */
  readonly createdBefore: number;
}
