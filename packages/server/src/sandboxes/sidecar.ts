// One further container of a sandbox: an image, files and processes of its own, in the network of the sandbox.
import type { Agent } from "@lydian/containers";
import { LydianError, GenericResult_GenericStatus as Status } from "@lydian/protocol";
import { Wakeup } from "../calls/wakeup.ts";
import type { Exec } from "../execs/exec.ts";
import type { ExecHome } from "../execs/exec-home.ts";
import type { ResolvedSandbox } from "./definition.ts";
import type { SandboxResult } from "./results.ts";
import type { Sandbox, StartedContainer } from "./sandbox.ts";

export interface SidecarOptions {
  readonly id: string;
  readonly name: string;
  readonly sandbox: Sandbox;
  readonly resolved: ResolvedSandbox;
  readonly env: Readonly<Record<string, string>>;
  readonly workdir: string;
  readonly dir: string;
  /** Of the request that has made it; may be empty. */
  readonly idempotencyKey: string;
}

export class Sidecar implements ExecHome {
  readonly id: string;
  readonly name: string;
  readonly sandbox: Sandbox;
  readonly resolved: ResolvedSandbox;
  /** Of its processes. Holds secrets. */
  readonly env: Readonly<Record<string, string>>;
  readonly workdir: string;
  readonly dir: string;
  readonly idempotencyKey: string;
  /** As those of a sandbox. */
  mountedLayers: readonly string[] = [];
  readonly usedLayers: string[] = [];
  /** As of a sandbox, which may outlive the server. This ends with it: there is nothing to write down. */
  readonly keep = async (): Promise<void> => {};
  /** Settles when there is a container, or none will come. */
  started: Promise<StartedContainer> = new Promise(() => {});
  /** Undefined when it has none, or before it runs. */
  command: Exec | undefined;
  /** Why it ends; set once. */
  end: SandboxResult | undefined;
  /** Every trace of its container is gone. */
  removed = false;
  /** Woken when it is removed. */
  readonly changed = new Wakeup();

  constructor({ id, name, sandbox, resolved, env, workdir, dir, idempotencyKey }: SidecarOptions) {
    this.id = id;
    this.name = name;
    this.sandbox = sandbox;
    this.resolved = resolved;
    this.env = env;
    this.workdir = workdir;
    this.dir = dir;
    this.idempotencyKey = idempotencyKey;
  }

  /** That of the sandbox: clients name processes by it. */
  get taskId(): string {
    return this.sandbox.taskId;
  }

  get workspaceId(): string {
    return this.sandbox.workspaceId;
  }

  get live(): boolean {
    return this.end === undefined;
  }

  /** In the words of the command router. */
  get status(): string {
    if (this.end === undefined) return "running";
    if (!this.removed) return "stopping";
    if (this.end.status === Status.SUCCESS) return "success";
    return this.end.status === Status.TERMINATED ? "terminated" : "failure";
  }

  async agent(): Promise<Agent> {
    if (!this.live) throw this.over();
    // They are frozen together.
    if (this.sandbox.live) await this.sandbox.agent();
    const { agent } = await this.started.catch(() => {
      throw this.over();
    });
    if (!this.live) throw this.over();
    return agent;
  }

  /** Who uses it uses the sandbox. */
  use(): Disposable {
    return this.sandbox.use();
  }

  over(): LydianError {
    const reason = this.end?.exception || "its command has ended";
    const what = `The container ${JSON.stringify(this.name)} of the sandbox ${this.sandbox.id}`;
    return new LydianError("failed_precondition", `${what} is over: ${reason.replace(/\.$/, "")}.`);
  }
}
