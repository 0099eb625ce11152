import { type Handlers, LydianError, type ModalClient, ObjectCreationType, AppState as WireState } from "@lydian/protocol";
import type { AppEvent } from "../apps/app-state.ts";
import type { AppRecord, Apps } from "../apps/apps.ts";
import { appPageUrl } from "../apps/page.ts";
import { lifecycleOf, metadataOf } from "../apps/wire.ts";
import type { CalledFunction } from "../calls/functions-port.ts";
import type { Caller } from "../identity/caller.ts";
import type { Environments } from "../identity/environments.ts";
import { isId } from "../ids.ts";
import type { Deployments, Publisher } from "./deployments.ts";
import type { Lookup } from "./lookup.ts";
import { checkAppName } from "./rules.ts";

export interface DeploymentsRpcDependencies {
  readonly apps: Apps;
  readonly environments: Environments;
  readonly deployments: Deployments;
  readonly lookup: Lookup;
}

/** Without one, the app stays what it is. */
const EVENT: ReadonlyMap<WireState, AppEvent | undefined> = new Map<WireState, AppEvent | undefined>([
  [WireState.UNSPECIFIED, undefined],
  [WireState.EPHEMERAL, "publish-ephemeral"],
  [WireState.DETACHED, "publish-detached"],
  [WireState.DEPLOYED, "deploy"],
]);

export function createDeploymentsRpc(d: DeploymentsRpcDependencies): Partial<Handlers<typeof ModalClient, Caller>> {
  const { apps, environments, deployments, lookup } = d;
  return {
    async appPublish(request, context) {
      const { caller, headers } = context;
      const { appId, name, appState, functionIds, classIds, definitionIds, deploymentTag, tags, commitInfo, staged } = request;
      if (staged) throw new LydianError("unimplemented", "Staged deployments are not served.", { hint: "Deploy without --staged." });
      if (!EVENT.has(appState)) {
        const message = `An app cannot be published as ${WireState[appState] ?? appState}: publish it as EPHEMERAL, DETACHED or DEPLOYED.`;
        throw new LydianError("invalid_argument", message);
      }
      const app = lookup.live(caller, appId);
      const publishing = { event: EVENT.get(appState), name, functionIds, classIds, definitionIds, deploymentTag, tags, commitInfo };
      const at = await deployments.publish(app, publishing, publisherOf(caller, headers));
      return { url: appPageUrl(app.id, context), deployedAt: at / 1000 };
    },

    appGetLayout: ({ appId }, { caller }) => ({ appLayout: deployments.layout(apps.require(appId, caller.workspaceId).id) }),

    /** An empty answer says that no app is deployed under the name: clients take an error for a failure. */
    appGetByDeploymentName({ name, environmentName }, { caller }) {
      const environment = lookup.environment(caller, environmentName);
      const app = apps.deployed(environment.id, name);
      const previous = app === undefined ? apps.previouslyDeployed(environment.id, name) : undefined;
      const either = app ?? previous;
      return {
        appId: app?.id ?? "",
        previousAppId: previous?.id ?? "",
        environmentName: environment.name,
        ...(either && { lifecycle: lifecycleOf(either) }),
      };
    },

    async appGetOrCreate({ appName, environmentName, objectCreationType }, { caller, headers }) {
      const app = isId("ap", appName)
        ? lookup.live(caller, appName)
        : await getOrCreate(d, caller, environmentName, appName, objectCreationType, headers["x-idempotency-key"] ?? "");
      const metadata = metadataOf(app, environments.nameOf(app.environmentId), deployments.functionIds(app.id));
      return { appId: app.id, handleMetadata: metadata };
    },

    appGetInfo({ appId }, { caller }) {
      const app = apps.require(appId, caller.workspaceId);
      const summary = ({ id, definition: { resources, schedule, webhookConfig } }: CalledFunction) => [
        id,
        {
          gpuConfig: resources?.gpuConfig?.gpuType ? [resources.gpuConfig] : [],
          webFunction: webhookConfig !== undefined,
          ...(schedule && { schedule }),
        },
      ];
      return {
        info: metadataOf(app, environments.nameOf(app.environmentId), deployments.functionIds(appId)),
        functionInfoSummaries: Object.fromEntries(deployments.functions(appId).map(summary)),
      };
    },

    appDeploymentHistory({ appId }, { caller }) {
      const app = apps.require(appId, caller.workspaceId);
      const items = deployments.history(appId).map(({ kind, deployedAt, rollbackVersion, commitInfo, ...version }) => ({
        appId,
        version: version.version,
        clientVersion: version.clientVersion,
        deployedAt: deployedAt / 1000,
        deployedBy: version.deployedBy,
        tag: version.tag,
        rollbackVersion,
        rollbackAllowed: app.state === "deployed" && version.version !== app.version,
        deploymentType: kind,
        ...(commitInfo && { commitInfo }),
      }));
      return { appDeploymentHistories: items, productionAppVersion: app.version };
    },

    async appRollback({ appId, version }, context) {
      const { caller, headers } = context;
      const app = lookup.live(caller, appId);
      const at = await deployments.rollback(app, version, publisherOf(caller, headers));
      return { url: appPageUrl(app.id, context), deployedAt: at / 1000 };
    },

    async appRollover({ appId }, context) {
      const { caller, headers } = context;
      const app = lookup.live(caller, appId);
      const at = await deployments.rollover(app, publisherOf(caller, headers));
      return { url: appPageUrl(app.id, context), deployedAt: at / 1000 };
    },
  };
}

async function getOrCreate(
  { apps, lookup }: DeploymentsRpcDependencies,
  caller: Caller,
  environmentName: string,
  name: string,
  type: ObjectCreationType,
  idempotencyKey: string,
): Promise<AppRecord> {
  const environment = lookup.environment(caller, environmentName);
  const known = apps.deployed(environment.id, name);
  const shown = JSON.stringify(name.slice(0, 100));
  if (type === ObjectCreationType.UNSPECIFIED) {
    if (known !== undefined) return known;
    const message = `There is no app ${shown} in the environment ${JSON.stringify(environment.name)}.`;
    throw new LydianError("not_found", message, {
      hint: "Deploy it, or look for it with `lydian app list`.",
      officialHint: "Deploy it, or ask for it with create_if_missing (createIfMissing).",
    });
  }
  if (type !== ObjectCreationType.CREATE_IF_MISSING)
    throw new LydianError("invalid_argument", `An app cannot be asked for as ${ObjectCreationType[type] ?? type}: use CREATE_IF_MISSING.`);
  if (known !== undefined) return known;
  checkAppName(name);
  return apps.create({
    workspaceId: caller.workspaceId,
    environmentId: environment.id,
    description: name,
    name,
    state: "deployed",
    createdBy: publisherOf(caller, {}).by,
    tags: {},
    idempotencyKey,
  });
}

const publisherOf = (caller: Caller, headers: Readonly<Record<string, string | undefined>>): Publisher => ({
  by: caller.kind === "client" ? caller.tokenId : caller.taskId,
  clientVersion: (headers["x-modal-client-version"] ?? "").slice(0, 50),
  idempotencyKey: headers["x-idempotency-key"] ?? "",
});
