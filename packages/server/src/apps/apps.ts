// Apps and their ends. An app lives as long as its client says so: by heartbeats, until it leaves. A deployed one stays.
import { LydianError } from "@lydian/protocol";
import { newId } from "../ids.ts";
import { type AppEvent, type AppState, isLive, needsClient, nextAppState } from "./app-state.ts";
import type { AppRecord, AppStore } from "./store.ts";

export type { AppRecord } from "./store.ts";

export interface NewApp {
  readonly workspaceId: string;
  readonly environmentId: string;
  readonly description: string;
  /** Of a deployed one. */
  readonly name?: string;
  readonly state: AppState;
  readonly createdBy: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly idempotencyKey: string;
}

/** An app whose client is silent for longer is stopped. Clients send a heartbeat every 15 s. */
const SILENCE_MS = 60_000;
const CHECK_MS = 5_000;
/** How late a check may be before it means that this machine slept, not that the clients were silent. */
const SLEPT_MS = 15_000;

type StopListener = (appId: string, reason: string) => Promise<void>;

export class Apps {
  readonly #store: AppStore;
  readonly #now: () => number;
  readonly #byId = new Map<string, AppRecord>();
  readonly #heardAt = new Map<string, number>();
  readonly #stopping = new Map<string, Promise<void>>();
  readonly #stopListeners: StopListener[] = [];
  readonly #stoppedListeners: ((appId: string) => void)[] = [];
  readonly #onError: (what: string, error: unknown) => void;
  #timer: NodeJS.Timeout | undefined;
  #checkedAt: number;

  constructor(store: AppStore, onError: (what: string, error: unknown) => void, now: () => number = Date.now) {
    this.#store = store;
    this.#onError = onError;
    this.#now = now;
    this.#checkedAt = now();
    for (const record of store.live()) {
      this.#byId.set(record.id, record);
      this.#heardAt.set(record.id, now());
    }
  }

  /** Ends what a previous process did not come to end, and watches for clients that fell silent. */
  start(): void {
    for (const record of this.#byId.values()) if (record.state === "stopping") void this.stop(record.id, record.stopReason);
    this.#timer = setInterval(() => this.stopSilent(), CHECK_MS);
    this.#timer.unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** Awaited before the app counts as stopped. */
  onStopping(listener: StopListener): void {
    this.#stopListeners.push(listener);
  }

  onStopped(listener: (appId: string) => void): void {
    this.#stoppedListeners.push(listener);
  }

  async create(app: NewApp): Promise<AppRecord> {
    const { idempotencyKey, ...rest } = app;
    const now = this.#now();
    const deployed = app.state === "deployed" ? { deployedAt: now, deployedBy: app.createdBy } : { deployedAt: 0, deployedBy: "" };
    const record: AppRecord = { name: "", ...rest, ...deployed, id: newId("ap"), version: 0, createdAt: now, stoppedAt: 0, stopReason: "" };
    const id = await this.#store.insert(record, idempotencyKey);
    if (id !== record.id) return this.require(id, app.workspaceId);
    this.#byId.set(record.id, record);
    this.#heardAt.set(record.id, this.#now());
    return record;
  }

  get(appId: string): AppRecord | undefined {
    return this.#byId.get(appId) ?? this.#store.get(appId);
  }

  require(appId: string, workspaceId: string): AppRecord {
    const record = this.get(appId);
    if (record?.workspaceId === workspaceId) return record;
    throw new LydianError("not_found", `There is no app ${JSON.stringify(appId)}.`, {
      hint: "`lydian app list` shows the apps of an environment.",
      officialHint: "`modal app list` shows the apps of an environment.",
    });
  }

  /** Like `require`, and the app must not have been stopped. */
  requireLive(appId: string, workspaceId: string): AppRecord {
    const record = this.require(appId, workspaceId);
    if (isLive(record.state)) return record;
    throw new LydianError("failed_precondition", `The app ${appId} was stopped: ${record.stopReason || "no reason was given"}`);
  }

  isLive(appId: string): boolean {
    const record = this.#byId.get(appId);
    return record !== undefined && isLive(record.state);
  }

  live(): AppRecord[] {
    return [...this.#byId.values()].filter(({ state }) => isLive(state));
  }

  list(environmentId: string): AppRecord[] {
    return this.#store.list(environmentId);
  }

  heartbeat(appId: string): void {
    this.#heardAt.set(appId, this.#now());
  }

  /** The deployed app of this name; `undefined` also when the last one was stopped. */
  deployed(environmentId: string, name: string): AppRecord | undefined {
    const record = this.#store.byName(environmentId, name);
    return record?.state === "deployed" && this.isLive(record.id) ? record : undefined;
  }

  /** The last app that was deployed under this name and is over. */
  previouslyDeployed(environmentId: string, name: string): AppRecord | undefined {
    const record = this.#store.byName(environmentId, name);
    return record !== undefined && !isLive(record.state) ? record : undefined;
  }

  /**
   * `change` runs in the commit that publishes the app: it stores what belongs to it and returns what changes of the app itself.
   * A deployment takes its name from the app that has it, which is stopped.
   */
  async publish(appId: string, event: AppEvent, change: (before: AppRecord) => Partial<AppRecord>): Promise<AppRecord> {
    let former: AppRecord | undefined;
    const published = await this.#move(appId, event, (before) => {
      const changes = change(before);
      if (event === "deploy")
        former = this.#store.takeName(
          { ...before, ...changes },
          `The app ${appId} was deployed under its name, ${changes.name ?? before.name}.`,
        );
      return changes;
    });
    if (former !== undefined) {
      this.#byId.set(former.id, former);
      void this.stop(former.id, former.stopReason);
    }
    return published;
  }

  async setTags(appId: string, tags: Readonly<Record<string, string>>): Promise<void> {
    const changed = await this.#store.change(appId, (before) => ({ ...before, tags }));
    if (this.#byId.has(appId)) this.#byId.set(appId, changed);
  }

  /**
   * Ends the app with a reason for people. Resolves when nothing of it runs any more. Never rejects: what fails on the
   * way is reported to the server's log, and the app is over for its client all the same.
   */
  stop(appId: string, reason: string): Promise<void> {
    let stopping = this.#stopping.get(appId);
    if (!stopping) {
      stopping = this.#stop(appId, reason).finally(() => this.#stopping.delete(appId));
      this.#stopping.set(appId, stopping);
    }
    return stopping;
  }

  async #stop(appId: string, reason: string): Promise<void> {
    const record = this.#byId.get(appId);
    if (!record || record.state === "stopped") return;
    await this.#tryMove(record, "stop", { stopReason: record.stopReason || reason });
    const ends = await Promise.allSettled(this.#stopListeners.map((listener) => listener(appId, reason)));
    for (const end of ends) if (end.status === "rejected") this.#onError(`a part of the app ${appId} could not be ended`, end.reason);
    await this.#tryMove(this.#byId.get(appId) ?? record, "emptied", { stoppedAt: this.#now() });
    this.#byId.delete(appId);
    this.#heardAt.delete(appId);
    for (const listener of this.#stoppedListeners) listener(appId);
  }

  async #move(appId: string, event: AppEvent, change: (before: AppRecord) => Partial<AppRecord>): Promise<AppRecord> {
    const impossible = (state: AppState) =>
      new LydianError(
        "failed_precondition",
        `The app ${appId} is ${state}: it cannot be changed like that${isLive(state) ? "" : " any more"}.`,
      );
    if (!this.#byId.has(appId)) throw impossible("stopped");
    const moved = await this.#store.change(appId, (before) => {
      const state = nextAppState(before.state, event);
      if (state === undefined) throw impossible(before.state);
      return { ...before, ...change(before), state };
    });
    this.#byId.set(appId, moved);
    return moved;
  }

  /** A full disk must not keep an app running: then only this process knows, and the next one finds the app silent. */
  async #tryMove(record: AppRecord, event: "stop" | "emptied", changes: Partial<AppRecord>): Promise<void> {
    try {
      await this.#move(record.id, event, () => changes);
    } catch (error) {
      this.#onError(`the end of the app ${record.id} could not be stored`, error);
      this.#byId.set(record.id, { ...record, ...changes, state: nextAppState(record.state, event) ?? "stopped" });
    }
  }

  /** Stops the apps whose client fell silent. Called every few seconds. */
  stopSilent(): void {
    const now = this.#now();
    const lateMs = now - this.#checkedAt - CHECK_MS;
    this.#checkedAt = now;
    if (lateMs > SLEPT_MS) {
      for (const id of this.#byId.keys()) this.#heardAt.set(id, now);
      return;
    }
    const silentSince = now - SILENCE_MS;
    for (const { id, state } of this.#byId.values()) {
      if (!needsClient(state)) continue;
      if ((this.#heardAt.get(id) ?? 0) < silentSince) void this.stop(id, `Its client was silent for more than ${SILENCE_MS / 1000} s.`);
    }
  }
}
