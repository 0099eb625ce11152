// What the code of a function may do with sandboxes, and with images and secrets for them. A container calls on its own socket, without a
// token, and acts for its function: it sees its own environment, it gives away only secrets that the function has itself, and a function that
// must not reach the outside cannot do so through a sandbox.
import {
  type CallContext,
  type Handlers,
  LydianError,
  type ModalClient,
  ObjectCreationType,
  type TaskCommandRouter,
} from "@lydian/protocol";
import type { CalledFunction } from "../calls/functions-port.ts";
import type { Lookup } from "../deployments/lookup.ts";
import type { Functions } from "../functions/functions.ts";
import type { Caller, ContainerCaller } from "../identity/caller.ts";
import type { Secrets } from "../secrets/secrets.ts";
import type { Sandboxes } from "./sandboxes.ts";
import type { SandboxRecord } from "./store.ts";

export interface InFunctionsDependencies {
  readonly lookup: Pick<Lookup, "environment" | "live">;
  readonly functions: Pick<Functions, "require">;
  readonly secrets: Pick<Secrets, "require">;
  readonly sandboxes: Pick<Sandboxes, "require" | "recordOfTask">;
}

type Rpc = Partial<Handlers<typeof ModalClient, Caller>>;
type RouterRpc = Partial<Handlers<typeof TaskCommandRouter, Caller>>;

/** Fields by which these requests name things. */
interface Named {
  readonly sandboxId?: string;
  readonly taskId?: string;
  readonly target?: { readonly case?: string | undefined; readonly value?: unknown };
  readonly appId?: string;
  readonly environmentName?: string;
  readonly definition?: { readonly secretIds: readonly string[] };
  readonly secretIds?: readonly string[];
  readonly secretSources?: readonly { readonly source: { readonly case?: string | undefined; readonly value?: unknown } }[];
  readonly image?: { readonly secretIds: readonly string[] };
}

export class InFunctions {
  readonly #d: InFunctionsDependencies;

  constructor(dependencies: InFunctionsDependencies) {
    this.#d = dependencies;
  }

  /** The same operations, which check what is asked for from a container. */
  restrict(rpc: Rpc): Rpc {
    return wrap(rpc, (request, { caller }) => (caller.kind === "container" ? this.#checked(request, caller) : request));
  }

  /** The same for secrets, which a container may look up when its function has them, and make when nobody else can. */
  restrictSecrets(rpc: Rpc): Rpc {
    const { secretGetOrCreate } = this.restrict(rpc);
    if (secretGetOrCreate === undefined) return rpc;
    const check = (caller: ContainerCaller, id: string) => this.#checkSecrets(caller, [id]);
    const restricted: Rpc = {
      ...rpc,
      async secretGetOrCreate(request, context) {
        const { caller } = context;
        const isMade = request.objectCreationType === ObjectCreationType.ANONYMOUS_OWNED_BY_APP;
        if (caller.kind === "container" && !isMade && request.objectCreationType !== ObjectCreationType.UNSPECIFIED)
          throw new LydianError("permission_denied", "The code of a function cannot make secrets with a name.");
        const response = await secretGetOrCreate(request, context);
        if (caller.kind === "container") check(caller, response.secretId ?? "");
        return response;
      },
    };
    return restricted;
  }

  /** The same for the command router: who has a token for a container gives it no more secrets by that. */
  restrictRouter(rpc: RouterRpc): RouterRpc {
    return wrap(rpc, (request, { caller }) => {
      if (caller.kind === "router" && caller.container) this.#checkSecrets(caller.container, secretsOf(request));
      return request;
    });
  }

  /** Throws unless the function has all of these itself, or they have no name. */
  #checkSecrets(caller: ContainerCaller, secretIds: readonly string[]): void {
    const own = this.#function(caller).definition.secretIds;
    for (const id of secretIds) {
      const { name, environmentId } = this.#d.secrets.require(id, caller.workspaceId);
      if (environmentId === caller.environmentId && (name === "" || own.includes(id))) continue;
      throw new LydianError("permission_denied", `The function does not have the secret ${JSON.stringify(name || id)} itself.`, {
        hint: "Name it among the secrets of the function.",
      });
    }
  }

  #checked(request: Named, caller: ContainerCaller): object {
    this.#checkNetwork(caller);
    const { sandboxId, taskId, target, appId, environmentName } = request;
    if (sandboxId !== undefined) this.#checkSandbox(caller, this.#d.sandboxes.require(sandboxId, caller.workspaceId));
    if (taskId !== undefined) this.#checkSandbox(caller, this.#d.sandboxes.recordOfTask(taskId));
    if (target?.case === "sandboxId") this.#checkSandbox(caller, this.#d.sandboxes.require(String(target.value), caller.workspaceId));
    if (target?.case === "taskId") this.#checkSandbox(caller, this.#d.sandboxes.recordOfTask(String(target.value)));
    if (appId !== undefined && appId !== "") this.#d.lookup.live(caller, appId);
    this.#checkSecrets(caller, secretsOf(request));
    if (environmentName === undefined) return request;
    return { ...request, environmentName: this.#d.lookup.environment(caller, environmentName).name };
  }

  #checkSandbox(caller: ContainerCaller, record: SandboxRecord | undefined): void {
    if (record?.workspaceId === caller.workspaceId && record.environmentId === caller.environmentId) return;
    throw new LydianError("not_found", "There is no such sandbox in the environment of this container.");
  }

  #checkNetwork(caller: ContainerCaller): void {
    const { definition } = this.#function(caller);
    if (!definition.blockNetwork) return;
    throw new LydianError(
      "permission_denied",
      `The network of the function ${JSON.stringify(definition.functionName)} is blocked, so its code cannot use sandboxes, which could reach what it may not.`,
    );
  }

  #function({ functionId, workspaceId }: ContainerCaller): CalledFunction {
    if (functionId === "") throw new LydianError("permission_denied", "A container without a function cannot use sandboxes.");
    return this.#d.functions.require(functionId, workspaceId);
  }
}

/** Handlers that are asked what `check` makes of a request. */
function wrap<R extends object>(rpc: R, check: (request: Named, context: CallContext<Caller>) => object): R {
  const wrapped: Record<string, unknown> = {};
  for (const [name, handler] of Object.entries(rpc) as [string, (request: object, context: CallContext<Caller>) => unknown][])
    wrapped[name] = (request: object, context: CallContext<Caller>) => handler(check(request, context), context);
  return wrapped as R;
}

/** Ids of secrets that the server has. */
function secretsOf({ secretIds = [], definition, image, secretSources = [] }: Named): string[] {
  const named = secretSources.flatMap(({ source }) => (source.case === "secretId" ? [String(source.value)] : []));
  return [...secretIds, ...(definition?.secretIds ?? []), ...(image?.secretIds ?? []), ...named];
}
