import type { GenericResult } from "@lydian/protocol";
import { type Client, currentClient } from "../client.ts";
import { type Duration, durationMs } from "../duration.ts";
import { InvalidError, LydianError, rethrow } from "../errors.ts";
import type { Image } from "../image/image.ts";
import { showValue } from "../show-value.ts";
import { type Ending, endingOf } from "./ending.ts";
import { InputStream } from "./input-stream.ts";
import { type NetworkPolicy, networkAccess } from "./network-policy.ts";
import { OutputStream } from "./output-stream.ts";
import { type PreparedImage, prepareImage } from "./prepare-image.ts";
import { checkPort } from "./probe.ts";
import { resumed } from "./resumed.ts";
import { CommandRouter } from "./router.ts";
import { RunningContainer } from "./running-container.ts";
import { SandboxTimeoutError } from "./sandbox-errors.ts";
import { checkTags } from "./sandbox-options.ts";
import { secretSources } from "./secret-sources.ts";
import { Sidecars } from "./sidecars.ts";
import { type Tunnel, tunnelsOf } from "./tunnel.ts";

/** What is known of a sandbox without asking. */
export interface KnownSandbox {
  readonly id: string;
  readonly client: Client;
  readonly environment: string;
  readonly appId?: string | undefined;
  readonly name?: string | undefined;
  readonly taskId?: string | undefined;
  readonly jwt?: string | undefined;
  readonly result?: GenericResult | undefined;
  readonly onDispose?: "terminate" | "detach" | undefined;
}

const HOLD_SECONDS = 55;
const STDOUT = 0;
const STDERR = 1;

/** A sandbox: a container that a program creates, talks to and ends. */
export class SandboxHandle extends RunningContainer implements AsyncDisposable {
  readonly id: string;
  /** What its command prints. Can be read after its end, too. */
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  /** What its command reads. For one writer: what another handle wrote before is not known here. */
  readonly stdin: InputStream;
  /** More containers in the same sandbox: files of their own, the network shared. */
  readonly containers: Sidecars;
  readonly #client: Client;
  readonly #environment: string;
  readonly #onDispose: "terminate" | "detach";
  #appId: string | undefined;
  #name: string | undefined;
  #ending: Ending | undefined;
  #isDetached = false;

  constructor({ id, client, environment, appId, name, taskId, jwt, result, onDispose = "terminate" }: KnownSandbox) {
    const router = new CommandRouter({
      client,
      taskId: async () => taskId ?? (await findTaskId(client, id)),
      access: () => client.modal.sandboxGetCommandRouterAccess({ target: { case: "sandboxId", value: id } }),
      jwt,
    });
    super({
      router,
      containerId: "",
      what: `sandbox ${id}`,
      secretSources: (secrets, env) => secretSources(client, environment, secrets, env),
    });
    this.id = id;
    this.#client = client;
    this.#environment = environment;
    this.#appId = appId;
    this.#name = name;
    this.#onDispose = onDispose;
    this.#ending = endingOf(result, this.#what);
    this.stdout = new OutputStream(() => this.#output(router, STDOUT), "text");
    this.stderr = new OutputStream(() => this.#output(router, STDERR), "text");
    this.stdin = new InputStream((piece) => router.call((stub, task, call) => stub.sandboxStdinWriteV2({ taskId: task, ...piece }, call)));
    this.containers = new Sidecars({ client, sandboxId: id, place: this.execPlace, prepare: (image) => this.#prepare(image) });
  }

  /** Undefined for one without a name, and for one that was found by its id. */
  get name(): string | undefined {
    return this.#name;
  }

  /** Undefined while it runs, as far as this handle was told by `wait`, `poll` or `terminate`. */
  get exitCode(): number | undefined {
    return this.#ending?.exitCode;
  }

  /**
   * Its exit code, when it has ended: of its command, 124 after its timeout. Throws SandboxTimeoutError when its timeout ended it, and
   * SandboxTerminatedError when it was terminated, unless `throwOnTermination` is false: then that is 137.
   */
  async wait({ throwOnTermination = true }: { readonly throwOnTermination?: boolean } = {}): Promise<number> {
    while (this.#ending === undefined) await this.#ask(HOLD_SECONDS);
    const { error, exitCode } = this.#ending;
    if (error === undefined || (error.code === "cancelled" && !throwOnTermination)) return exitCode;
    throw error;
  }

  /** Its exit code, or undefined while it runs. Throws nothing for how it ended. */
  async poll(): Promise<number | undefined> {
    if (this.#ending === undefined) await this.#ask(0);
    return this.exitCode;
  }

  /**
   * Freezes its processes: they keep memory and connections, and use no processor. The next exec, file operation, input or connection lets them
   * go on, as `resume` does. Its timeouts go on meanwhile.
   */
  async pause(): Promise<void> {
    await this.execPlace.router.call((router, taskId, call) => router.processes.pause({ taskId }, call));
  }

  /** Lets them go on. Nothing happens when they run. */
  async resume(): Promise<void> {
    await this.execPlace.router.call((router, taskId, call) => router.processes.resume({ taskId }, call));
  }

  /** Ends it; nothing happens to one that has ended. With `wait` it resolves to the exit code when everything is gone. */
  async terminate({ wait = false }: { readonly wait?: boolean } = {}): Promise<number | undefined> {
    await this.#client.modal.sandboxTerminateV2({ sandboxId: this.id }).catch(rethrow);
    if (!wait) return undefined;
    while (this.#ending === undefined) await this.#ask(HOLD_SECONDS);
    return this.exitCode;
  }

  /** Leaving an `await using` scope does not terminate it any more. */
  detach(): void {
    this.#isDetached = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isDetached || this.#onDispose === "detach") return;
    await this.terminate();
  }

  /** When its readiness probe has succeeded. Throws SandboxTimeoutError after `timeout`. Default "5m". */
  async waitUntilReady({ timeout = "5m" }: { readonly timeout?: Duration } = {}): Promise<void> {
    const deadline = performance.now() + durationMs(timeout, "`timeout`");
    for (;;) {
      const leftMs = Math.max(0, deadline - performance.now());
      try {
        await this.execPlace.router.call(
          (router, taskId, call) => router.sandboxWaitUntilReady({ taskId, timeout: Math.min(leftMs / 1000, HOLD_SECONDS) }, call),
          { timeoutMs: leftMs + 5_000 },
        );
        return;
      } catch (error) {
        if (!LydianError.is(error) || error.code !== "deadline_exceeded") throw error;
        if (performance.now() < deadline) continue;
        throw new SandboxTimeoutError(`${this.#what} was not ready after ${durationMs(timeout, "`timeout`") / 1000} s.`, {
          cause: error,
          hint: "Give it more time with `timeout`. What its command prints is in `stdout` and `stderr`.",
        });
      }
    }
  }

  async getTags(): Promise<Record<string, string>> {
    const { tags } = await this.#client.modal.sandboxTagsGetV2({ sandboxId: this.id }).catch(rethrow);
    return Object.fromEntries(tags.map(({ tagName, tagValue }) => [tagName, tagValue]));
  }

  /** These instead of those that it had. */
  async setTags(tags: Readonly<Record<string, string>>): Promise<void> {
    checkTags(tags);
    await this.#client.modal
      .sandboxTagsSetV2({ sandboxId: this.id, environmentName: this.#environment, tags: tagsToWire(tags) })
      .catch(rethrow);
  }

  /** Gives a name to one that has none. Throws AlreadyExistsError when a running sandbox of its app has it. */
  async setName(name: string): Promise<void> {
    await this.#client.modal.sandboxSetName({ sandboxId: this.id, name }).catch(rethrow);
    this.#name = name;
  }

  /** Where its ports are reached from outside, by port. */
  async tunnels({ timeout = "50s" }: { readonly timeout?: Duration } = {}): Promise<Readonly<Record<number, Tunnel>>> {
    const timeoutMs = durationMs(timeout, "`timeout`");
    const { result, tunnels } = await this.#client.modal
      .sandboxGetTunnelsV2({ sandboxId: this.id, timeout: timeoutMs / 1000 }, { timeoutMs: timeoutMs + 5_000 })
      .catch(rethrow);
    const ending = endingOf(result, `The tunnels of the ${this.execPlace.what}`);
    if (ending?.error) throw ending.error;
    return tunnelsOf(tunnels);
  }

  /** A URL and a token that lets HTTP requests in: `Authorization: Bearer …`. `metadata` is told to the program behind the port. Default port 8080. */
  async createConnectToken({ port, metadata }: { readonly port?: number; readonly metadata?: unknown } = {}): Promise<{
    url: string;
    token: string;
  }> {
    const userMetadata = metadata === undefined ? "" : typeof metadata === "string" ? metadata : JSON.stringify(metadata);
    const request = { sandboxId: this.id, userMetadata, ...(port === undefined ? {} : { port: checkPort(port, "`port`") }) };
    const { url, token } = await this.#client.modal.sandboxCreateConnectTokenV2(request).catch(rethrow);
    return { url, token };
  }

  /** What it can reach, from now on. */
  async setNetwork(policy: NetworkPolicy): Promise<void> {
    const access = networkAccess(policy, "policy");
    await this.execPlace.router.call((router, taskId, call) => router.taskSetNetworkAccess({ taskId, networkAccess: access }, call));
  }

  protected override async imageId(image: Image): Promise<string> {
    return (await this.#prepare(image)).imageId;
  }

  async #prepare(image: Image): Promise<PreparedImage> {
    if (this.#appId === undefined) await this.#ask(0);
    return prepareImage(image, { client: this.#client, appId: this.#appId ?? "", environment: this.#environment });
  }

  async #ask(seconds: number): Promise<void> {
    const { result, metadata } = await this.#client.modal
      .sandboxWaitV2({ sandboxId: this.id, timeout: seconds }, { timeoutMs: (seconds + 15) * 1000 })
      .catch(rethrow);
    if (metadata && metadata.appId !== "") this.#appId = metadata.appId;
    this.#ending = endingOf(result, this.#what);
  }

  #output(router: CommandRouter, fileDescriptor: typeof STDOUT | typeof STDERR): AsyncIterable<Uint8Array> {
    const what = `${fileDescriptor === STDOUT ? "stdout" : "stderr"} of the ${this.execPlace.what}`;
    return resumed(
      (offset) => router.stream((stub, taskId, call) => stub.sandboxStdioReadV2({ taskId, offset: BigInt(offset), fileDescriptor }, call)),
      {
        what,
        onGap: (bytes) => process.emitWarning(`${bytes} bytes of ${what} are no longer kept and were left out.`),
      },
    );
  }

  get #what(): string {
    return `The sandbox ${this.id}`;
  }
}

export const tagsToWire = (tags: Readonly<Record<string, string>>) =>
  Object.entries(tags).map(([tagName, tagValue]) => ({ tagName, tagValue }));

/** Throws NotFoundError when there is no such sandbox. */
export async function sandboxFromId(id: string, client: Client = currentClient()): Promise<SandboxHandle> {
  if (typeof id !== "string" || id === "")
    throw new InvalidError(`The id is ${showValue(id)}; it must be that of a sandbox, e.g. "sb-1aB…".`, {
      hint: "`Sandbox.list` and `lydian sandbox list` tell those that run.",
    });
  const { result, metadata } = await client.modal.sandboxWaitV2({ sandboxId: id, timeout: 0 }).catch(rethrow);
  return new SandboxHandle({ id, client, environment: client.environment, appId: metadata?.appId, result });
}

/** When it has one: it is given at once, or the sandbox never gets one. */
async function findTaskId(client: Client, sandboxId: string): Promise<string> {
  for (;;) {
    const { taskId, taskResult } = await client.modal.sandboxGetTaskIdV2({ sandboxId, timeout: HOLD_SECONDS, waitUntilReady: true });
    if (taskId !== undefined && taskId !== "") return taskId;
    const ending = endingOf(taskResult, `The sandbox ${sandboxId}`);
    if (ending) throw ending.error ?? new LydianError("failed_precondition", `The sandbox ${sandboxId} ended before it had a container.`);
  }
}
