// The calls in memory: all with open inputs, and of the others as many as are worth keeping.
import { Deque } from "./deque.ts";
import { type CallIdentity, LiveCall } from "./live-call.ts";
import { cancelled, failureOutput } from "./results.ts";
import type { CallStore } from "./store.ts";

const MAX_FINISHED = 10_000;

export class LiveCalls {
  readonly #store: CallStore;
  readonly #isLive: (appId: string) => boolean;
  readonly #byId = new Map<string, LiveCall>();
  readonly #byApp = new Map<string, Set<LiveCall>>();
  /** In the order in which they had no open inputs. */
  readonly #finished = new Deque<LiveCall>();

  constructor(store: CallStore, isLive: (appId: string) => boolean) {
    this.#store = store;
    this.#isLive = isLive;
  }

  get(callId: string): LiveCall | undefined {
    return this.#byId.get(callId);
  }

  find(callId: string): LiveCall | undefined {
    const live = this.#byId.get(callId);
    if (live) return live;
    const stored = this.#store.call(callId);
    if (!stored) return undefined;
    const call = this.load(stored.identity, stored.cancelled);
    if (!this.#isLive(stored.identity.appId)) this.#close(call);
    this.add(call);
    this.touched(call);
    return call;
  }

  /** From the journal, without its open inputs. */
  load(identity: CallIdentity, wasCancelled: boolean): LiveCall {
    const call = new LiveCall(identity);
    call.cancelled = wasCancelled;
    for (const output of this.#store.outputs(identity.id)) call.record(output);
    call.nextSeq = call.outputs.length;
    for (const chunk of this.#store.chunks(identity.id)) call.data.add(chunk);
    return call;
  }

  add(call: LiveCall): void {
    if (this.#byId.get(call.id) === call) return;
    this.#byId.set(call.id, call);
    let ofApp = this.#byApp.get(call.identity.appId);
    if (!ofApp) {
      ofApp = new Set();
      this.#byApp.set(call.identity.appId, ofApp);
    }
    ofApp.add(call);
  }

  ofApp(appId: string): LiveCall[] {
    return [...(this.#byApp.get(appId) ?? [])];
  }

  /** An output came: a call without open inputs may be forgotten when others need the room. */
  touched(call: LiveCall): void {
    if (call.open.size > 0) return;
    this.#finished.push(call);
    while (this.#finished.size > MAX_FINISHED) {
      const oldest = this.#finished.shift();
      if (oldest && oldest.open.size === 0 && !oldest.changed.hasWaiters && !oldest.data.arrived.hasWaiters) this.#forget(oldest);
    }
  }

  #forget(call: LiveCall): void {
    if (this.#byId.get(call.id) !== call) return;
    this.#byId.delete(call.id);
    const ofApp = this.#byApp.get(call.identity.appId);
    ofApp?.delete(call);
    if (ofApp?.size === 0) this.#byApp.delete(call.identity.appId);
  }

  /** The app ended with the process that ran it: its open inputs will never run. */
  #close(call: LiveCall): void {
    for (const { idx, input } of this.#store.openInputs(call.id)) {
      const open = { call, idx, input, state: "done" as const, failures: 0, losses: 0, taskId: "", startedAt: 0 };
      call.record(failureOutput(open, cancelled("The app was stopped before this input ran."), Date.now()));
    }
  }
}
