// The nouns around deployments on a database of their own, for tests.
import { create, FunctionSchema$, Function_FunctionType as FunctionType, type MessageInitShape } from "@lydian/protocol";
import { Apps, type NewApp } from "../apps/apps.ts";
import { createAppsRpc } from "../apps/rpc.ts";
import { AppStore } from "../apps/store.ts";
import { Classes } from "../classes/classes.ts";
import { createClassesRpc } from "../classes/rpc.ts";
import { ClassStore } from "../classes/store.ts";
import type { Database } from "../database/database.ts";
import { Functions } from "../functions/functions.ts";
import { createFunctionsRpc } from "../functions/rpc.ts";
import { FunctionStore } from "../functions/store.ts";
import { VariantStore } from "../functions/variants.ts";
import { Environments } from "../identity/environments.ts";
import { Deployments } from "./deployments.ts";
import { findFunction } from "./find-function.ts";
import { Lookup } from "./lookup.ts";
import { createDeploymentsRpc } from "./rpc.ts";
import { VersionStore } from "./store.ts";

export type Definition = MessageInitShape<typeof FunctionSchema$>;

/** What a server makes of the database when it starts. */
export function openNouns(database: Database) {
  const told: { published: readonly string[]; retired: readonly string[] }[] = [];
  const environments = new Environments(database);
  const apps = new Apps(new AppStore(database), () => {});
  const functionStore = new FunctionStore(database);
  const functions = new Functions({
    store: functionStore,
    variants: new VariantStore(database),
    app: (id) => apps.get(id),
    prepare: async () => undefined,
    requireParts: () => {},
  });
  const classStore = new ClassStore(database);
  const classes = new Classes(classStore);
  const versions = new VersionStore(database);
  const onPublished = async (_appId: string, published: readonly string[], retired: readonly string[]) => {
    told.push({ published, retired });
  };
  const deployments = new Deployments({ apps, functions, functionStore, classes, classStore, versions, onPublished });
  const lookup = new Lookup(apps, environments);
  const rpc = {
    ...createAppsRpc({ apps, environments, functionIds: (id) => deployments.functionIds(id), containersOf: () => 0 }),
    ...createDeploymentsRpc({ apps, environments, deployments, lookup }),
    ...createClassesRpc({ classes, deployments, lookup }),
    ...createFunctionsRpc({
      functions,
      apps,
      stats: () => ({ backlog: 0, running: 0, containers: 0 }),
      find: (request, caller) => findFunction({ lookup, deployments, classes }, request, caller),
      onSettings: () => {},
    }),
  };
  const define = (appId: string, changes: Definition = {}) =>
    functions.define(
      apps.require(appId, "ac-1"),
      create(FunctionSchema$, {
        functionName: "hello",
        moduleName: "/app/main.mjs",
        imageId: "im-1",
        runtime: "lydian-node",
        functionType: FunctionType.FUNCTION,
        ...changes,
      }),
      "",
    );
  /** Without the checks of a definition, some of which refuse classes. */
  const defineClass = async (appId: string, name: string) => {
    const id = await functionStore.reserve(`fu-${name}`, appId, `${name}.*`);
    await functionStore.define(id, create(FunctionSchema$, { functionName: `${name}.*`, isClass: true, methodDefinitions: { run: {} } }));
    return id;
  };
  return { environments, apps, functions, functionStore, classes, classStore, deployments, rpc, told, define, defineClass };
}

export async function fillDatabase(database: Database): Promise<void> {
  await database.commit(() => {
    for (const id of ["ac-1", "ac-2"]) database.prepare("INSERT INTO workspaces (id, name, created_at) VALUES (?, ?, 0)").run(id, id);
    const environment = database.prepare(
      "INSERT INTO environments (id, workspace_id, name, is_default, created_at) VALUES (?, ?, ?, ?, 0)",
    );
    environment.run("en-1", "ac-1", "main", 1);
    environment.run("en-2", "ac-1", "dev", 0);
    environment.run("en-3", "ac-2", "main", 1);
  });
}

export const newApp = (changes: Partial<NewApp> = {}): NewApp => ({
  workspaceId: "ac-1",
  environmentId: "en-1",
  description: "shop",
  state: "initializing",
  createdBy: "ak-1",
  tags: {},
  idempotencyKey: "",
  ...changes,
});
