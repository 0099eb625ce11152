// Publishing: what of an app is callable, under which names, since when. A deployment is a publishing with a number and a history.

import type { AppLayoutSchema } from "@lydian/protocol";
import { type CommitInfo, DeploymentType, LydianError, type MessageInitShape } from "@lydian/protocol";
import { type AppEvent, republish } from "../apps/app-state.ts";
import type { AppRecord, Apps } from "../apps/apps.ts";
import type { CalledFunction } from "../calls/functions-port.ts";
import type { Classes } from "../classes/classes.ts";
import type { ClassStore } from "../classes/store.ts";
import type { Functions } from "../functions/functions.ts";
import { handleMetadata } from "../functions/metadata.ts";
import type { FunctionStore, PublishedFunction } from "../functions/store.ts";
import { checkAppName, checkDeploymentTag, checkTags } from "./rules.ts";
import type { Layout, Version, VersionStore } from "./store.ts";

export interface DeploymentsDependencies {
  readonly apps: Apps;
  readonly functions: Functions;
  readonly functionStore: FunctionStore;
  readonly classes: Classes;
  readonly classStore: ClassStore;
  readonly versions: VersionStore;
  /** Told after each publishing: these are callable as they are defined now; those were and are no more. */
  readonly onPublished: (appId: string, published: readonly string[], retired: readonly string[]) => Promise<void>;
  readonly now?: () => number;
}

/** Who publishes. */
export interface Publisher {
  readonly by: string;
  readonly clientVersion: string;
  readonly idempotencyKey: string;
}

export interface Publishing extends Layout {
  /** Without one, the app stays what it is. */
  readonly event: AppEvent | undefined;
  /** Empty: it stays. */
  readonly name: string;
  readonly deploymentTag: string;
  /** Empty: they stay. */
  readonly tags: Readonly<Record<string, string>>;
  readonly commitInfo: CommitInfo | undefined;
}

type Origin = Pick<Version, "kind" | "rollbackVersion">;
const STANDARD: Origin = { kind: DeploymentType.STANDARD, rollbackVersion: 0 };

export class Deployments {
  readonly #d: DeploymentsDependencies;

  constructor(dependencies: DeploymentsDependencies) {
    this.#d = dependencies;
  }

  /** Replaces the layout of the app at once. Returns the time. */
  async publish(app: AppRecord, publishing: Publishing, publisher: Publisher, origin = STANDARD): Promise<number> {
    const event = publishing.event ?? republish(app.state);
    const name = publishing.name || app.name;
    if (event === "deploy") checkAppName(name);
    checkDeploymentTag(publishing.deploymentTag);
    checkTags(publishing.tags);
    const { functions, classes, functionStore, classStore, versions, apps } = this.#d;
    const { functionIds, classIds, definitionIds } = publishing;
    const listed = functions.checkLayout(app, functionIds, definitionIds);
    classes.checkLayout(app, classIds, functionIds);
    const now = (this.#d.now ?? Date.now)();
    let retired: string[] = [];
    const after = await apps.publish(app.id, event, (before) => {
      const claimed = event === "deploy" ? versions.claim(app.id, publisher.idempotencyKey, now) : undefined;
      if (claimed?.isNew === false) return {};
      retired = functionStore.publish(app.id, origin.kind === DeploymentType.ROLLOVER ? listed.map((each) => this.#anew(each)) : listed);
      classStore.publish(app.id, classIds);
      const changes = { name, tags: Object.keys(publishing.tags).length > 0 ? publishing.tags : before.tags };
      if (claimed === undefined) return changes;
      const { by, clientVersion } = publisher;
      const { deploymentTag: tag, commitInfo } = publishing;
      const version = { ...origin, version: claimed.version, deployedAt: now, deployedBy: by, clientVersion, tag, commitInfo };
      versions.insert(app.id, version, this.#current(app.id, classIds));
      return { ...changes, version: claimed.version, deployedAt: now, deployedBy: by };
    });
    const ids = listed.map(({ id }) => id);
    functions.published([...ids, ...retired]);
    await this.#d.onPublished(app.id, ids, retired);
    return after.deployedAt || now;
  }

  /** Deploys an earlier version again, as a new one; -1 is the one before the current. */
  rollback(app: AppRecord, wanted: number, publisher: Publisher): Promise<number> {
    requireDeployed(app);
    const number = wanted === -1 ? app.version - 1 : wanted;
    const version = this.#d.versions.get(app.id, number);
    if (version === undefined || number === app.version) {
      const found = number === app.version ? "is deployed already" : "was never deployed";
      const message =
        wanted === -1
          ? `The app ${app.id} has no version before its current one, ${app.version}.`
          : `Version ${number} of the app ${app.id} ${found}; its versions are 1 to ${app.version}.`;
      throw new LydianError("failed_precondition", message, {
        hint: "`lydian app history` shows the versions of an app.",
        officialHint: "`modal app history` shows the versions of an app.",
      });
    }
    return this.#again(app, version, publisher, { kind: DeploymentType.ROLLBACK, rollbackVersion: number });
  }

  /** Deploys the current version again, with definitions that count as new, so that every container is replaced. */
  rollover(app: AppRecord, publisher: Publisher): Promise<number> {
    requireDeployed(app);
    const version = this.#d.versions.get(app.id, app.version);
    if (version === undefined) throw new LydianError("failed_precondition", `Nothing was deployed to the app ${app.id} yet.`);
    return this.#again(app, version, publisher, { kind: DeploymentType.ROLLOVER, rollbackVersion: 0 });
  }

  history(appId: string): Version[] {
    return this.#d.versions.list(appId);
  }

  /** The published function of this name. */
  functionOf(appId: string, name: string): CalledFunction | undefined {
    const id = this.#d.functionStore.published(appId).find((each) => each.name === name)?.id;
    return id === undefined ? undefined : this.#d.functions.get(id);
  }

  /** The published functions of an app. */
  functions(appId: string): CalledFunction[] {
    return this.#d.functions.ofLayout(appId);
  }

  functionIds(appId: string): Record<string, string> {
    return Object.fromEntries(this.#d.functionStore.published(appId).map(({ name, id }) => [name, id]));
  }

  /** The names of an app, and of each object what a client or a container must know of it. */
  layout(appId: string): Exclude<MessageInitShape<typeof AppLayoutSchema>, { $typeName: string }> {
    const functions = this.functions(appId);
    const classes = this.#d.classes.ofLayout(appId);
    return {
      functionIds: Object.fromEntries(functions.map(({ name, id }) => [name, id])),
      classIds: Object.fromEntries(classes.map(({ name, id }) => [name, id])),
      objects: [
        ...functions.map((fn) => ({
          objectId: fn.id,
          handleMetadataOneof: { case: "functionHandleMetadata" as const, value: handleMetadata(fn) },
        })),
        ...classes.map(({ id }) => ({ objectId: id, handleMetadataOneof: { case: "classHandleMetadata" as const, value: {} } })),
      ],
    };
  }

  #again(app: AppRecord, { version, tag, commitInfo }: Version, publisher: Publisher, origin: Origin): Promise<number> {
    const layout = this.#d.versions.layout(app.id, version);
    return this.publish(app, { ...layout, event: "deploy", name: "", deploymentTag: tag, tags: {}, commitInfo }, publisher, origin);
  }

  /** In a commit. */
  #anew({ id, definitionId }: PublishedFunction): PublishedFunction {
    return { id, definitionId: this.#d.functionStore.copyDefinition(id, definitionId) };
  }

  /** In a commit: what was published just now. */
  #current(appId: string, classIds: Layout["classIds"]): Layout {
    const functions = this.#d.functionStore.published(appId);
    return {
      functionIds: Object.fromEntries(functions.map(({ name, id }) => [name, id])),
      definitionIds: Object.fromEntries(functions.map(({ id, definitionId }) => [id, definitionId])),
      classIds,
    };
  }
}

function requireDeployed(app: AppRecord): void {
  if (app.state === "deployed") return;
  throw new LydianError("failed_precondition", `The app ${app.id} is ${app.state}; only deployed apps have versions.`);
}
