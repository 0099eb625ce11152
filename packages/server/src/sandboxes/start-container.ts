// Starts the container of a sandbox: its image's layers, the local files on top, and our agent as its first process. Or goes on with one
// that an earlier server has started.
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import {
  type AgentListener,
  agentProgram,
  type Container,
  type ContainerHost,
  type Exit,
  type Isolation,
  type Limits,
  listenForAgent,
  type NetworkPolicy,
} from "@lydian/containers";
import { LydianError } from "@lydian/protocol";
import { newId } from "../ids.ts";
import type { ContainerKey, StartedContainer } from "./sandbox.ts";

export interface ContainerPlan {
  /** Directories of read-only layers, topmost first. */
  readonly layers: readonly string[];
  readonly limits: Limits;
  readonly network: NetworkPolicy;
  /** At least. */
  readonly isolation: Isolation | undefined;
  /** Id of the container in whose network it is to be; `network` says nothing then. */
  readonly networkOf?: string;
}

export interface StartContainerOptions {
  readonly host: ContainerHost;
  /** For the sockets of the agents. Short: socket paths have a limit. */
  readonly dir: string;
}

/** Where the container sees the program, and the directory of the socket. */
const PROGRAM = "/__modal/.bin/lydian-agent";
const SOCKET_DIR = "/__modal/run";
const SOCKET = "agent.sock";
const CONNECT_MS = 30_000;
const STOP_MS = 0;

/** Resolves when the agent answers. */
export async function startContainer(plan: ContainerPlan, { host, dir }: StartContainerOptions): Promise<StartedContainer> {
  if (!host.features.isolation)
    throw new LydianError("failed_precondition", `Sandboxes need isolation, which the container host "${host.name}" does not have.`, {
      hint: "`lydian doctor` says what is missing.",
    });
  // Where a policy cannot change, a network that is blocked is none at all.
  const network = plan.network === "blocked" && !host.features.networkPolicy ? "none" : plan.network;
  const id = newId("ta");
  const socketDir = join(dir, id);
  await mkdir(socketDir, { mode: 0o755 });
  const listener = await listenForAgent({ path: join(socketDir, SOCKET) });
  const free = freeing(listener, socketDir);
  try {
    const container = await host.start({
      id,
      layers: plan.layers,
      limits: plan.limits,
      ...(plan.isolation !== undefined && { isolation: plan.isolation }),
      network,
      ...(plan.networkOf !== undefined && { networkOf: plan.networkOf }),
      command: [PROGRAM, `${SOCKET_DIR}/${SOCKET}`],
      env: {},
      binds: [
        { source: agentProgram(), target: PROGRAM, readOnly: true },
        { source: socketDir, target: SOCKET_DIR, readOnly: true },
      ],
      mayOutlive: host.features.adoption,
    });
    return await connected(container, listener, plan.layers, free, host.features.adoption);
  } catch (error) {
    await free();
    throw error;
  }
}

/** The container of an earlier server, before its agent has found this one. */
export interface FoundContainer {
  /** Its agent answers. Rejects with `ContainerEnded`, or the reason; nothing is left of it then. */
  readonly started: Promise<StartedContainer>;
}

/** It ended while no server was there. */
export class ContainerEnded extends Error {
  readonly exit: Exit;

  constructor(message: string, exit: Exit) {
    super(message);
    this.exit = exit;
  }
}

/** Undefined: there is none any more. */
export async function findContainer(key: ContainerKey, { host, dir }: StartContainerOptions): Promise<FoundContainer | undefined> {
  const { containerId, secret, layers } = key;
  const container = await host.adopt(containerId);
  if (container === undefined) return undefined;
  const socketDir = join(dir, containerId);
  const go = async (): Promise<StartedContainer> => {
    const listener = await listenForAgent({ path: join(socketDir, SOCKET), secret: Buffer.from(secret, "hex") });
    return connected(container, listener, layers, freeing(listener, socketDir), true);
  };
  const started = go();
  started.catch(() => {});
  return { started };
}

function freeing(listener: AgentListener, socketDir: string): () => Promise<void> {
  return async () => {
    await listener[Symbol.asyncDispose]();
    await rm(socketDir, { recursive: true, force: true });
  };
}

/** Nothing is left of it when this rejects. */
async function connected(
  container: Container,
  listener: AgentListener,
  layers: readonly string[],
  free: () => Promise<void>,
  canOutlive: boolean,
): Promise<StartedContainer> {
  let removed: Promise<void> | undefined;
  const remove = (): Promise<void> => {
    removed ??= container
      .stop(STOP_MS)
      .then(() => container.remove())
      .finally(free);
    return removed;
  };
  try {
    const agent = await Promise.race([listener.connected(CONNECT_MS), died(container)]);
    // The agent prints nothing by itself.
    void drain(container.output);
    const key: ContainerKey = { containerId: container.id, secret: listener.secret.toString("hex"), layers };
    const outlive = async (seconds: number): Promise<ContainerKey> => {
      await container.outlive();
      agent.live(seconds);
      return key;
    };
    return { container, agent, remove, detach: () => listener.detach(), ...(canOutlive && { outlive }) };
  } catch (error) {
    await remove();
    throw error;
  }
}

async function died({ output, exited }: Container): Promise<never> {
  const exit = await exited;
  let said = "";
  for await (const { data } of output) said += Buffer.from(data).toString().slice(0, 2_000);
  const how = exit.signal ?? `code ${exit.code}`;
  throw new ContainerEnded(`Its container ended (${how}) before it was usable. ${said.trim()}`.trim(), exit);
}

async function drain(output: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of output);
}
