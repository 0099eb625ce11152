// Apps and their ends. An app lives as long as its client says so: by heartbeats, until it leaves.
import { LydianError } from "@lydian/protocol";
import { newId } from "../ids.ts";
import { type AppEvent, type AppState, isLive, nextAppState } from "./app-state.ts";
import type { AppRecord, AppStore } from "./store.ts";

export type { AppRecord } from "./store.ts";

export interface NewApp {
  readonly workspaceId: string;
  readonly environmentId: string;
  readonly description: string;
  readonly state: AppState;
  readonly createdBy: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly idempotencyKey: string;
}

/** An app whose client is silent for longer is stopped. Clients send a heartbeat every 15 s. */
const SILENCE_MS = 60_000;
const CHECK_MS = 5_000;
const KEEP_KEYS_MS = 3_600_000;

type StopListener = (appId: string, reason: string) => Promise<void>;

export class Apps {
  readonly #store: AppStore;
  readonly #now: () => number;
  readonly #byId = new Map<string, AppRecord>();
  readonly #heardAt = new Map<string, number>();
  readonly #stopping = new Map<string, Promise<void>>();
  readonly #creating = new Map<string, Promise<AppRecord>>();
  readonly #onError: (error: unknown) => void;
  readonly #stopListeners: StopListener[] = [];
  readonly #stoppedListeners: ((appId: string) => void)[] = [];
  #timer: NodeJS.Timeout | undefined;

  /** `onError` is told when the end of an app that nobody waits for went wrong. */
  constructor(store: AppStore, { onError, now = Date.now }: { readonly onError: (error: unknown) => void; readonly now?: () => number }) {
    this.#store = store;
    this.#onError = onError;
    this.#now = now;
    for (const record of store.live()) {
      this.#byId.set(record.id, record);
      this.#heardAt.set(record.id, now());
    }
  }

  /** Ends what a previous process did not come to end, and watches for clients that fell silent. */
  start(): void {
    for (const record of this.#byId.values()) if (record.state === "stopping") this.end(record.id, record.stopReason);
    this.#timer = setInterval(() => this.#stopSilent(), CHECK_MS);
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

  /** A request that is repeated while its first one is under way gets the same app. */
  create(app: NewApp): Promise<AppRecord> {
    const key = app.idempotencyKey === "" ? "" : `${app.workspaceId}/${app.idempotencyKey}`;
    const underWay = this.#creating.get(key);
    if (underWay) return underWay;
    const created = this.#create(app);
    if (key === "") return created;
    this.#creating.set(key, created);
    return created.finally(() => this.#creating.delete(key));
  }

  async #create(app: NewApp): Promise<AppRecord> {
    const known = app.idempotencyKey === "" ? undefined : this.#store.byKey(app.workspaceId, app.idempotencyKey);
    if (known !== undefined) return this.require(known, app.workspaceId);
    const { idempotencyKey, ...rest } = app;
    const record: AppRecord = { ...rest, id: newId("ap"), name: "", createdAt: this.#now(), stoppedAt: 0, stopReason: "" };
    await this.#store.insert(record, idempotencyKey, this.#now() - KEEP_KEYS_MS);
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

  async publish(appId: string, event: "publish-ephemeral" | "publish-detached", name: string): Promise<AppRecord> {
    return this.#move(appId, event, name === "" ? {} : { name });
  }

  /** Ends the app with a reason for people. Resolves when nothing of it runs any more. */
  stop(appId: string, reason: string): Promise<void> {
    let stopping = this.#stopping.get(appId);
    if (!stopping) {
      stopping = this.#stop(appId, reason).finally(() => this.#stopping.delete(appId));
      this.#stopping.set(appId, stopping);
    }
    return stopping;
  }

  /** Like `stop`, for those who do not wait for it. */
  end(appId: string, reason: string): void {
    this.stop(appId, reason).catch(this.#onError);
  }

  async #stop(appId: string, reason: string): Promise<void> {
    const record = this.#byId.get(appId);
    if (!record || record.state === "stopped") return;
    await this.#move(appId, "stop", { stopReason: record.stopReason || reason });
    // What one of them could not end must not keep the app alive for ever.
    for (const { status, ...outcome } of await Promise.allSettled(this.#stopListeners.map((listener) => listener(appId, reason)))) {
      if (status === "rejected" && "reason" in outcome) this.#onError(outcome.reason);
    }
    await this.#move(appId, "emptied", { stoppedAt: this.#now() });
    this.#byId.delete(appId);
    this.#heardAt.delete(appId);
    for (const listener of this.#stoppedListeners) listener(appId);
  }

  async #move(appId: string, event: AppEvent, changes: Partial<AppRecord>): Promise<AppRecord> {
    const record = this.#byId.get(appId);
    const state = record && nextAppState(record.state, event);
    if (!record || !state)
      throw new LydianError(
        "failed_precondition",
        `The app ${appId} is ${record?.state ?? "stopped"}: it cannot be changed like that any more.`,
      );
    const moved = { ...record, ...changes, state };
    await this.#store.update(moved);
    this.#byId.set(appId, moved);
    return moved;
  }

  #stopSilent(): void {
    const silentSince = this.#now() - SILENCE_MS;
    for (const { id, state } of this.#byId.values()) {
      if (state !== "ephemeral" && state !== "initializing") continue;
      if ((this.#heardAt.get(id) ?? 0) < silentSince) this.end(id, `Its client was silent for more than ${SILENCE_MS / 1000} s.`);
    }
  }
}
