// Builds every part from the configuration, starts and stops them. The only place where parts meet.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { createHost } from "@lydian/containers";
import {
  Bulk,
  createServer,
  type GrpcServer,
  Lydian,
  LydianError,
  ModalClient,
  Processes,
  Runtime,
  service,
  TaskCommandRouter,
} from "@lydian/protocol";
import { Apps } from "./apps/apps.ts";
import { createAppsRpc } from "./apps/rpc.ts";
import { AppStore } from "./apps/store.ts";
import { Blobs } from "./blobs/blobs.ts";
import { Contents } from "./blobs/contents.ts";
import { createBlobsRpc } from "./blobs/rpc.ts";
import { SignedUrls } from "./blobs/signed-urls.ts";
import { BlobStore } from "./blobs/store.ts";
import { Calls } from "./calls/calls.ts";
import { createCallsRpc } from "./calls/rpc.ts";
import { Classes } from "./classes/classes.ts";
import { createClassesRpc } from "./classes/rpc.ts";
import { ClassStore } from "./classes/store.ts";
import { type ResolvedServerConfig, resolveConfig, type ServerConfig } from "./config.ts";
import { createControlRpc } from "./control/rpc.ts";
import { lockDataDir } from "./data-dir-lock.ts";
import { openDatabase } from "./database/database.ts";
import { Deployments } from "./deployments/deployments.ts";
import { findFunction } from "./deployments/find-function.ts";
import { Lookup } from "./deployments/lookup.ts";
import { createDeploymentsRpc } from "./deployments/rpc.ts";
import { VersionStore } from "./deployments/store.ts";
import { Ends } from "./ends.ts";
import type { ExecHome } from "./execs/exec-home.ts";
import { Execs } from "./execs/execs.ts";
import { FileCommands } from "./execs/file-commands.ts";
import { createFilesRpc } from "./execs/files-rpc.ts";
import { createProcessesRpc } from "./execs/processes-rpc.ts";
import { RouterTokens } from "./execs/router-access.ts";
import { Functions } from "./functions/functions.ts";
import { createFunctionsRpc } from "./functions/rpc.ts";
import { FunctionStore } from "./functions/store.ts";
import { VariantStore } from "./functions/variants.ts";
import { serveHttp } from "./http.ts";
import { createAuthenticate } from "./identity/authenticate.ts";
import type { Caller } from "./identity/caller.ts";
import { Environments } from "./identity/environments.ts";
import { ensureLocalToken, ensureWorkspace } from "./identity/first-start.ts";
import { createIdentityRpc } from "./identity/rpc.ts";
import { Tokens } from "./identity/tokens.ts";
import { openImageParts } from "./images/image-parts.ts";
import { Images } from "./images/images.ts";
import { createImagesRpc } from "./images/rpc.ts";
import { ImageStore } from "./images/store.ts";
import { loadKey } from "./key-file.ts";
import { Logs } from "./logs/logs.ts";
import { createLogsRpc } from "./logs/rpc.ts";
import { LogStore } from "./logs/store.ts";
import { Mounts } from "./mounts/mounts.ts";
import { createMountsRpc } from "./mounts/rpc.ts";
import { MountStore } from "./mounts/store.ts";
import { BuildFunctions } from "./pools/build-functions.ts";
import { ExecHomes } from "./pools/exec-homes.ts";
import { Pools } from "./pools/pools.ts";
import { functionOwner } from "./pools/ports.ts";
import { createPoolsRpc, createRuntimeRpc } from "./pools/rpc.ts";
import { functionEnvironment } from "./pools/runtimes/environment.ts";
import { SandboxContainers } from "./sandboxes/containers.ts";
import { createExitSnapshotRpc } from "./sandboxes/exit-snapshot-rpc.ts";
import { InFunctions } from "./sandboxes/in-functions.ts";
import { SandboxFiles } from "./sandboxes/kept-sandbox.ts";
import { defaultMaxSandboxes } from "./sandboxes/options.ts";
import { openPorts } from "./sandboxes/ports.ts";
import { createSandboxRouterRpc } from "./sandboxes/router-rpc.ts";
import { createSandboxesRpc } from "./sandboxes/rpc.ts";
import type { Sandbox } from "./sandboxes/sandbox.ts";
import { Sandboxes } from "./sandboxes/sandboxes.ts";
import { Sidecars } from "./sandboxes/sidecars.ts";
import { createSidecarsRpc } from "./sandboxes/sidecars-rpc.ts";
import { Snapshots } from "./sandboxes/snapshots.ts";
import { SandboxStore } from "./sandboxes/store.ts";
import { scheduledOf } from "./schedules/schedule.ts";
import { Schedules } from "./schedules/schedules.ts";
import { ScheduleStore } from "./schedules/store.ts";
import { createSecretsRpc } from "./secrets/rpc.ts";
import { Seal } from "./secrets/seal.ts";
import { Secrets } from "./secrets/secrets.ts";
import { SecretStore } from "./secrets/store.ts";
import { createServerLog, type ServerLog } from "./telemetry/server-log.ts";
import { createTunnels } from "./tunnels/create-tunnels.ts";
import { createTunnelsRpc } from "./tunnels/rpc.ts";
import { unservedText } from "./unserved.ts";

export interface RunningServer {
  /** http://… when it listens on TCP, else the same as `socketUrl`. */
  readonly url: string;
  /** unix:///…/api.sock, for processes on the same machine. */
  readonly socketUrl: string;
  /** Holds the token of the machine's owner. */
  readonly tokenFile: string;
  /** Lets requests finish, stops the containers, stores what is left. */
  stop(): Promise<void>;
}

const DRAIN_MS = 5_000;

/** Starts a server, or throws a LydianError that says why it cannot be. */
export async function startServer(options: ServerConfig): Promise<RunningServer> {
  const config = resolveConfig(options);
  mkdirSync(config.dataDir, { recursive: true, mode: 0o700 });
  const ends = new Ends();
  try {
    return await start(config, createServerLog(config.logLevel), ends);
  } catch (error) {
    await ends.end().catch(() => undefined);
    throw error;
  }
}

async function start(config: ResolvedServerConfig, log: ServerLog, ends: Ends): Promise<RunningServer> {
  const { dataDir } = config;
  ends.defer(lockDataDir(dataDir));
  const database = openDatabase({ path: join(dataDir, "lydian.db") });
  ends.defer(() => database.close());

  // Opening the host removes what an earlier server left of its containers, but for those that outlive it.
  const host = await createHost({
    kind: config.containerHost,
    stateDir: join(dataDir, "host"),
    ...(config.isolation !== undefined && { isolation: config.isolation }),
    ...(config.launcherProgram === undefined ? {} : { launcherProgram: config.launcherProgram }),
    onFallback: (reason) => log.warn(`functions run as plain processes, without isolation: ${reason}`),
  });
  ends.defer(() => host[Symbol.asyncDispose]());

  const tokens = new Tokens(database);
  const environments = new Environments(database);
  const workspace = await ensureWorkspace(database, environments);
  const tokenFile = await ensureLocalToken(dataDir, workspace, tokens);

  const imageParts = await openImageParts(config, host);
  const { layers, builder } = imageParts;
  const contents = await Contents.open(join(dataDir, "contents"));
  const blobStore = new BlobStore(database);
  const urlKey = await loadKey(
    join(dataDir, "blob-url.key"),
    "Remove it: a new one is made at the next start, and URLs given out stop working.",
  );
  const blobs = new Blobs({ store: blobStore, contents, urls: new SignedUrls(urlKey) });
  const seal = new Seal(
    await loadKey(join(dataDir, "secrets.key"), "Put back the one that belongs to this database: without it secrets cannot be read."),
  );
  const secrets = new Secrets({
    store: new SecretStore(database),
    seal,
    onError: (what, error) => log.error(what, error),
  });
  const mounts = new Mounts({ store: new MountStore(database), contents, rights: blobStore, blobs, layers });
  let buildFunctions: BuildFunctions | undefined;
  const images = new Images({
    runFunction: async (fn, target, options) => buildFunctions?.run(fn, target, options),
    store: new ImageStore(database),
    builder,
    layers,
    contents,
    mounts,
    secrets,
    onError: (error) => log.error("an image build failed in the server", error),
  });
  ends.defer(() => images.stop());

  const clients = imageParts.clients(images, (message) => log.warn(message));
  const logs = new Logs({ store: new LogStore(database), onError: (error) => log.error("log lines could not be stored", error) });
  ends.defer(() => logs.stop());
  const apps = new Apps(new AppStore(database), (what, error) => log.error(what, error));
  const functionStore = new FunctionStore(database);
  const functions = new Functions({
    store: functionStore,
    variants: new VariantStore(database),
    app: (appId) => apps.get(appId),
    requireParts: (definition, workspaceId) => {
      images.require(definition.imageId, workspaceId);
      for (const mountId of definition.mountIds) mounts.require(mountId, workspaceId);
      for (const secretId of definition.secretIds) secrets.require(secretId, workspaceId);
    },
    prepare: (definition) => pools.prepare(definition),
  });
  const classStore = new ClassStore(database);
  const classes = new Classes(classStore);
  const deployments = new Deployments({
    apps,
    functions,
    functionStore,
    classes,
    classStore,
    versions: new VersionStore(database),
    onPublished: async (appId, published, retired) => {
      for (const id of published) pools.ensure(id);
      for (const id of retired) pools.unlist(id);
      await syncSchedules(appId);
    },
  });
  const lookup = new Lookup(apps, environments);
  const calls = new Calls({ database, functions, apps, log: (message) => log.warn(message) });
  ends.defer(() => calls.stop());
  const schedules = new Schedules({
    store: new ScheduleStore(database),
    calls,
    functions,
    apps,
    deadlines: calls.deadlines,
    clock: calls.clock,
    log: (message) => log.warn(message),
  });
  ends.defer(() => schedules.stop());
  const syncSchedules = async (appId: string): Promise<void> => {
    const app = apps.get(appId);
    if (app?.state === "deployed") await schedules.sync(appId, scheduledOf(deployments.functions(appId)), app.deployedAt);
  };

  const { tunnels, connectTokens, certificates } = await createTunnels(config.tunnels, dataDir, () => calls.clock.now());
  ends.defer(() => tunnels.stop());
  const given = { deadlines: calls.deadlines, now: () => calls.clock.now(), onError: log.error };
  const execs = new Execs(given);
  const containers = new SandboxContainers({
    ...given,
    host,
    images,
    mounts,
    dir: join(dataDir, "sb"),
  });
  const sandboxes = new Sandboxes({
    ...given,
    store: new SandboxStore(database),
    execs,
    logs,
    startContainer: (sandbox) => containers.start(sandbox),
    openPorts: (sandbox) => openPorts(sandbox, tunnels),
    closePorts: ({ taskId }) => tunnels.closeAll(taskId),
    findContainer: (key) => containers.find(key),
    isAppLive: (appId) => apps.isLive(appId),
    outlive: config.sandboxesOutlive,
    files: new SandboxFiles(join(dataDir, "sb"), seal),
    dir: join(dataDir, "sb"),
    maxSandboxes: config.maxSandboxes ?? defaultMaxSandboxes(),
    freezeIdleMs: config.freezeIdleMs,
    onStarted: log.debug,
    keepFiles: (sandbox, started) => snapshots.atExit(sandbox, started),
  });
  const sidecars = new Sidecars({
    ...given,
    logs,
    startContainer: (sidecar) => containers.startBeside(sidecar),
  });
  const snapshots = new Snapshots({
    ...given,
    host,
    layers,
    images,
    isUsed: (layer) => containers.uses(layer) || sandboxes.uses(layer) || sidecars.uses(layer),
  });
  ends.defer(() => snapshots.stop());
  const routerTokens = new RouterTokens(
    await loadKey(join(dataDir, "router.key"), "Remove it: a new one is made at the next start, and clients ask for new tokens."),
  );
  const sandboxOf = (taskId: string): Sandbox => {
    const sandbox = sandboxes.ofTask(taskId);
    if (sandbox !== undefined) return sandbox;
    throw new LydianError(
      "not_found",
      `There is no sandbox with the container ${JSON.stringify(taskId.slice(0, 100))}, or it ended long ago.`,
    );
  };

  let server: GrpcServer | undefined;
  const pools = new Pools({
    host,
    images,
    mounts,
    secrets,
    clients,
    calls,
    functions,
    logs,
    runDir: join(dataDir, "run"),
    runtimeDir: config.runtimeDir,
    listen: (path, taskId) => (server as GrpcServer).listen({ path, mode: 0o666 }, taskId),
    apps: {
      isLive: (appId) => apps.isLive(appId),
      layout: (appId) => deployments.layout(appId),
      environmentName: (environmentId) => environments.nameOf(environmentId),
    },
    log: (message) => log.warn(message),
    ...(config.maxContainers === undefined ? {} : { limits: { maxContainers: config.maxContainers } }),
  });

  const execHomes = new ExecHomes({
    container: (taskId) => pools.container(taskId),
    environment: (fn) => functionEnvironment({ secrets, apps: { environmentName: (id) => environments.nameOf(id) } }, fn),
    onUse: (container) => pools.poolOf(container)?.freed(container),
    forget: (taskId) => execs.forget(taskId),
    dir: join(dataDir, "exec"),
    after: (ms, fire) => calls.deadlines.add(calls.clock.now() + ms, fire),
    onError: (what, error) => log.error(what, error),
  });
  const execHome = (taskId: string, containerId = ""): ExecHome =>
    containerId === "" ? (sandboxes.ofTask(taskId) ?? execHomes.of(taskId)) : sidecars.require(sandboxOf(taskId), containerId);

  apps.onStopping((appId) => schedules.drop(appId));
  buildFunctions = new BuildFunctions({ calls, pools, functions, host });

  apps.onStopping(async (appId, reason) => {
    await sandboxes.stopApp(appId, reason);
    await pools.stopApp(appId, reason);
    await images.stopApp(appId);
    await logs.flush();
  });
  apps.onStopped((appId) => {
    logs.forget(appId);
    secrets.forgetApp(appId);
  });

  const inFunctions = new InFunctions({ lookup, functions, secrets, sandboxes });
  const callsRpc = createCallsRpc({
    calls,
    functions,
    requireFunction: (functionId, caller) => {
      const record = functions.require(functionId, caller.workspaceId);
      apps.requireLive(record.appId, caller.workspaceId);
      if (caller.kind === "container" && record.environmentId !== caller.environmentId)
        throw new LydianError("not_found", `There is no function ${JSON.stringify(functionId)}.`);
      return record;
    },
  });
  const tasks = () => [...pools.tasks(), ...sandboxes.tasks()];
  const containersOf = (appId: string) => tasks().filter((task) => task.appId === appId && task.finishedAt === 0).length;
  server = createServer<Caller>({
    services: [
      service<typeof ModalClient, Caller>(ModalClient, {
        ...createIdentityRpc({
          workspace,
          environments,
          tokens,
          stopApps: async (environmentId, reason) => {
            await Promise.all(apps.live().flatMap((app) => (app.environmentId === environmentId ? apps.stop(app.id, reason) : [])));
          },
        }),
        ...createAppsRpc({ apps, environments, functionIds: (appId) => deployments.functionIds(appId), containersOf }),
        ...createDeploymentsRpc({ apps, environments, deployments, lookup }),
        ...createClassesRpc({ classes, deployments, lookup }),
        ...createFunctionsRpc({
          functions,
          apps,
          stats: (functionId) => pools.stats(functionId),
          find: (request, caller) => findFunction({ lookup, deployments, classes }, request, caller),
          onSettings: (functionId) => pools.ensure(functionId),
        }),
        ...createLogsRpc({ logs, apps }),
        ...createBlobsRpc({ blobs }),
        ...inFunctions.restrictSecrets(
          createSecretsRpc({
            secrets,
            environments,
            environmentOf: (appId, workspaceId) => apps.requireLive(appId, workspaceId).environmentId,
          }),
        ),
        ...callsRpc.modal,
        ...createExitSnapshotRpc(sandboxes, snapshots),
        ...inFunctions.restrict({
          ...createMountsRpc({ mounts }),
          ...createImagesRpc({ images, ownsApp: (appId, workspaceId) => apps.get(appId)?.workspaceId === workspaceId }),
          ...createSandboxesRpc({
            host,
            sandboxes,
            apps,
            environments,
            images,
            mounts,
            secrets,
            tunnels,
            routerTokens,
            requireTask: (taskId, workspaceId) => {
              if (execHome(taskId).workspaceId !== workspaceId) throw new LydianError("not_found", `There is no container "${taskId}".`);
            },
          }),
          ...createSidecarsRpc({ sidecars, images, mounts, secrets, live: (id, workspaceId) => sandboxes.live(id, workspaceId) }),
        }),
        ...createFilesRpc({
          commands: new FileCommands({ deadlines: calls.deadlines, now: () => calls.clock.now() }),
          home: execHome,
        }),
        ...createTunnelsRpc({
          tunnels,
          connectTokens,
          sandboxes,
          functionOwner: (taskId) => functionOwner(pools.container(taskId), execHomes.of(taskId), () => tunnels.closeAll(taskId)),
        }),
        ...createPoolsRpc({
          pools,
          calls,
          tasks,
          stopSandbox: async (taskId, workspaceId) => {
            const record = sandboxes.recordOfTask(taskId);
            if (record?.workspaceId !== workspaceId) return false;
            await sandboxes.terminate(record, "It was stopped by a client.");
            return true;
          },
          describeApp: (appId) => apps.get(appId)?.description ?? "",
          requireApp: (appId, workspaceId) => apps.require(appId, workspaceId),
          environmentId: (name, workspaceId) => environments.find(workspaceId, name)?.id,
        }),
      }),
      service<typeof Lydian, Caller>(
        Lydian,
        createControlRpc({
          version: config.version,
          startedAt: Date.now(),
          host,
          workspace,
          tokens,
          apps,
          pools,
          tunnelAuthority: () => certificates.authority(),
        }),
      ),
      service<typeof Bulk, Caller>(Bulk, callsRpc.bulk),
      service<typeof Runtime, Caller>(Runtime, createRuntimeRpc({ pools, calls })),
      service<typeof Processes, Caller>(Processes, createProcessesRpc({ execs, home: execHome, pausable: sandboxOf })),
      service<typeof TaskCommandRouter, Caller>(
        TaskCommandRouter,
        inFunctions.restrictRouter(
          createSandboxRouterRpc({ execs, home: execHome, sandboxOf, sandboxes, sidecars, snapshots, images, mounts, secrets }),
        ),
      ),
    ],
    authenticate: createAuthenticate(
      tokens,
      (taskId) => pools.callerOf(taskId),
      (authorization) => routerTokens.verify(authorization),
    ),
    unserved: unservedText,
    pairFor: (host) => certificates.pairFor(host),
    http: (request, response) => void serveHttp(blobs, request, response),
    onError: (error, method) => log.error(`${method} failed`, error),
  });
  ends.defer(() => server?.close());

  // Calls of apps that were being stopped when the last server ended are ended; the others go on.
  calls.recover();
  await Promise.all([sandboxes.recover(), execHomes.recover()]);
  for (const id of await host.sweep()) log.info(`removed what was left of the container ${id}`);
  schedules.recover();
  await Promise.all(apps.live().map(({ id }) => syncSchedules(id)));
  await pools.start();
  apps.start();
  logs.start();
  snapshots.start();
  ends.defer(() => apps.close());
  // Minimums of containers outlive the server, like the apps that asked for them.
  for (const { id } of apps.live()) for (const functionId of Object.values(deployments.functionIds(id))) pools.ensure(functionId);

  const socket = await server.listen({ path: join(dataDir, "api.sock"), mode: 0o600 });
  const tcp =
    config.fd !== undefined
      ? await server.listen({ fd: config.fd })
      : config.port === undefined
        ? undefined
        : await server.listen({ port: config.port, host: config.host });
  void host.warm(2).catch((error: unknown) => log.warn(`no container slots could be made ahead: ${String(error)}`));
  log.info(`ready at ${tcp?.address ?? socket.address} with the container host ${host.name} (${host.runtime})`);
  if (!host.features.limits) log.warn("limits of CPU, memory, processes and disk are not enforced here; `lydian doctor` says why");

  let stopping: Promise<void> | undefined;
  const stop = async (): Promise<void> => {
    // Containers first: while the server drains, their last answers would not be heard.
    await Promise.all([
      pools.stop(),
      sidecars
        .stop()
        .then(() => sandboxes.stop())
        .then(() => containers.close()),
    ]);
    await server?.drain(DRAIN_MS);
    await sandboxes.detach();
    await ends.end();
    log.info("stopped");
  };
  return {
    url: tcp?.address ?? socket.address,
    socketUrl: socket.address,
    tokenFile,
    stop: () => (stopping ??= stop()),
  };
}
