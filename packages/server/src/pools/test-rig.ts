// Calls and pools with a real database, driven through their handlers. The containers are doubles: each runs a program of the test
// that talks to the same handlers as a runtime would.
import { setMaxListeners } from "node:events";
import { copyFileSync, mkdtempSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Container, ContainerHost, ContainerSpec, Exit, OutputChunk } from "@lydian/containers";
import {
  answerColumns,
  type CallContext,
  create,
  DataFormat,
  deliveriesOf,
  Function_FunctionType,
  FunctionCallInvocationType,
  FunctionCallType,
  type Function as FunctionDefinition,
  type FunctionGetInputsItemSchema,
  type FunctionMapRequest,
  FunctionSchema$,
  type GenericResultSchema,
  GetInputsRequestSchema,
  GetInputsResponseSchema,
  LydianError,
  type MessageInitShape,
  PutOutputsRequestSchema,
  GenericResult_GenericStatus as Status,
} from "@lydian/protocol";
import type { CallLimits } from "../calls/calls.ts";
import { Calls } from "../calls/calls.ts";
import type { Clock } from "../calls/deadlines.ts";
import { systemClock } from "../calls/deadlines.ts";
import type { CalledFunction } from "../calls/functions-port.ts";
import { type CallsRpc, createCallsRpc } from "../calls/rpc.ts";
import { type Database, openDatabase } from "../database/database.ts";
import type { Caller } from "../identity/caller.ts";
import type { CapacityLimits } from "./capacity.ts";
import { Pools } from "./pools.ts";
import { createPoolsRpc, createRuntimeRpc } from "./rpc.ts";

type Item = MessageInitShape<typeof FunctionGetInputsItemSchema>;
type Result = MessageInitShape<typeof GenericResultSchema>;

/** What a test can do inside a container. */
export interface Inside {
  readonly rig: Rig;
  readonly taskId: string;
  /** For calls of other handlers. */
  context(): CallContext<Caller>;
  /** Aborted by SIGINT and by SIGKILL. */
  readonly signal: AbortSignal;
  print(text: string): void;
  exit(exit: Partial<Exit>): void;
  start(): Promise<void>;
  hello(): Promise<void>;
  fetch(max?: number): Promise<readonly Item[]>;
  put(outputs: readonly { item: Item; result: Result }[]): Promise<void>;
  heartbeat(): Promise<readonly string[]>;
  /** Start, hello, then every input through `handle` until told to leave. */
  serve(handle: (item: Item) => Result | Promise<Result>, max?: number): Promise<void>;
}

export type Program = (inside: Inside) => Promise<void>;

export interface RigOptions {
  readonly program?: Program;
  readonly definition?: MessageInitShape<typeof FunctionSchema$>;
  readonly limits?: Partial<CallLimits>;
  readonly capacity?: Partial<CapacityLimits>;
  readonly standbyKinds?: number;
  readonly clock?: Clock;
  /** Of an earlier rig, to start again on its data. */
  readonly dir?: string;
  readonly startError?: string;
}

export const SUCCESS = (text: string): Result => ({ status: Status.SUCCESS, dataOneof: { case: "data", value: Buffer.from(text) } });
export const FAILURE = (text: string, reason = ""): Result => ({ status: Status.FAILURE, exception: text, propagationReason: reason });

/** A container that was being started may still be making its directory. */
const REMOVE = { recursive: true, force: true, maxRetries: 10, retryDelay: 20 };

const migration = readFile(new URL("../database/migrations/0002-calls.sql", import.meta.url), "utf8");

/** Ready for calls, unless it has data of an earlier rig: then `recover` comes first. */
export async function startRig(options: RigOptions = {}): Promise<Rig> {
  const dir = options.dir ?? (await mkdtemp(join(tmpdir(), "lydian-pools-")));
  const database = openDatabase({ path: join(dir, "db"), migrations: [{ version: 2, name: "0002-calls", sql: await migration }] });
  const rig = new Rig(dir, database, options);
  if (options.dir === undefined) await rig.recover();
  return rig;
}

/** Inputs as text go to containers and come back as text. */
export class Rig {
  readonly dir: string;
  readonly calls: Calls;
  readonly pools: Pools;
  readonly database: Database;
  readonly logs: string[] = [];
  readonly serverLog: string[] = [];
  readonly functions = new Map<string, CalledFunction>();
  readonly liveApps = new Set(["ap-1"]);
  readonly host: DoubleHost;
  readonly modal: CallsRpc["modal"] & ReturnType<typeof createPoolsRpc>;
  readonly bulk: CallsRpc["bulk"];
  readonly runtime: ReturnType<typeof createRuntimeRpc>;
  readonly draining = new AbortController();
  program: Program;
  /** Commits that are not durable yet. */
  committing = 0;

  constructor(dir: string, database: Database, options: RigOptions) {
    this.dir = dir;
    this.database = database;
    const commit = database.commit.bind(database);
    database.commit = async (work) => {
      this.committing++;
      return commit(work).finally(() => this.committing--);
    };
    this.program = options.program ?? (({ serve }) => serve((item) => SUCCESS(`${textOf(item)}!`)));
    this.define("fu-1", options.definition ?? {});
    const functions = { get: (id: string) => this.functions.get(id) };
    const apps = { isLive: (id: string) => this.liveApps.has(id), layout: () => ({}), environmentName: () => "main" };
    const log = (message: string) => this.serverLog.push(message);
    const clock = options.clock ?? systemClock;
    this.calls = new Calls({ database, functions, apps, log, clock, ...(options.limits && { limits: options.limits }) });
    this.host = new DoubleHost(this, options.startError);
    this.pools = new Pools({
      calls: this.calls,
      functions,
      apps,
      images: { rootfs: (id) => (id === "im-1" || id === "im-2" ? { layers: ["/layer"], env: {} } : undefined) },
      mounts: {
        clientVersion: (id) => (id === "mo-client" ? "1.6.4" : undefined),
        files: () => [{ path: "/app/main.mjs" }],
        layer: async () => "/mount",
        linkInto: async () => undefined,
      },
      secrets: { missing: () => undefined, environment: () => ({}) },
      clients: { layer: async () => ({ layer: "/client", python: "/usr/bin/python3" }) },
      logs: { append: ({ text }) => this.logs.push(text) },
      host: this.host,
      listen: async (path) => ({ address: `unix://${path}`, close: async () => undefined }),
      runDir: join(dir, "run"),
      runtimeDir: dir,
      log,
      standbyKinds: options.standbyKinds ?? 0,
      ...(options.capacity && { limits: options.capacity }),
    });
    const requireFunction = (id: string) => {
      const fn = this.functions.get(id);
      if (fn === undefined) throw new LydianError("not_found", `There is no function "${id}".`);
      if (!this.liveApps.has(fn.appId)) throw new LydianError("failed_precondition", "The app has stopped.");
      return fn;
    };
    const callsRpc = createCallsRpc({ calls: this.calls, functions, requireFunction });
    const poolsRpc = createPoolsRpc({
      calls: this.calls,
      pools: this.pools,
      tasks: () => [...this.pools.tasks()],
      stopSandbox: async () => false,
      describeApp: () => "",
      requireApp: () => undefined,
      environmentId: () => "en-1",
    });
    this.modal = { ...callsRpc.modal, ...poolsRpc };
    this.bulk = callsRpc.bulk;
    this.runtime = createRuntimeRpc({ pools: this.pools, calls: this.calls });
  }

  define(id: string, definition: MessageInitShape<typeof FunctionSchema$>, definitionId = "de-1"): void {
    const whole: FunctionDefinition = create(FunctionSchema$, {
      runtime: "lydian-node",
      imageId: "im-1",
      mountIds: ["mo-1"],
      functionType: Function_FunctionType.FUNCTION,
      ...definition,
    } as MessageInitShape<typeof FunctionSchema$>);
    const owner = { appId: "ap-1", workspaceId: "ac-1", environmentId: "en-1" };
    this.functions.set(id, { id, ...owner, name: id, definition: whole, definitionId, params: new Uint8Array() });
  }

  /** What an earlier process left is found again. */
  async recover(): Promise<void> {
    this.calls.recover();
    await this.pools.start();
  }

  client(headers: Record<string, string> = {}, signal?: AbortSignal): CallContext<Caller> {
    return this.context({ kind: "client", workspaceId: "ac-1", tokenId: "ak-1" }, headers, signal);
  }

  context(caller: Caller, headers: Record<string, string> = {}, signal: AbortSignal = new AbortController().signal): CallContext<Caller> {
    return { caller, signal, draining: this.draining.signal, headers, peer: { transport: "unix" }, method: "/test" };
  }

  async map(texts: readonly string[], functionId = "fu-1"): Promise<string> {
    const call = await this.modal.functionMap?.(
      message({ functionId, functionCallType: FunctionCallType.MAP, functionCallInvocationType: FunctionCallInvocationType.SYNC }),
      this.client(),
    );
    const functionCallId = call?.functionCallId ?? "";
    const inputs = texts.map((text, idx) => ({ idx, input: inputOf(text) }));
    if (inputs.length > 0) await this.modal.functionPutInputs?.(message({ functionCallId, inputs }), this.client());
    return functionCallId;
  }

  async spawn(text: string, functionId = "fu-1", headers: Record<string, string> = {}): Promise<string> {
    return (await this.modal.functionMap?.(spawnRequest(text, functionId), this.client(headers)))?.functionCallId ?? "";
  }

  /** Outputs of a call by index, once there are `count`. */
  async outputs(functionCallId: string, count: number): Promise<{ idx: number; status: number; text: string }[]> {
    const found: { idx: number; status: number; text: string }[] = [];
    let lastEntryId = "0-0";
    while (found.length < count) {
      const page = await this.modal.functionGetOutputs?.(message({ functionCallId, lastEntryId, timeout: 20 }), this.client());
      if (page === undefined || (page.outputs?.length ?? 0) === 0) throw new Error(`Only ${found.length} of ${count} outputs came.`);
      for (const { idx = 0, result } of page.outputs ?? []) found.push({ idx, status: result?.status ?? 0, text: resultText(result) });
      lastEntryId = page.lastEntryId ?? "";
    }
    return found.sort((a, b) => a.idx - b.idx);
  }

  async output(functionCallId: string): Promise<{ status: number; text: string }> {
    const [output] = await this.outputs(functionCallId, 1);
    if (output === undefined) throw new Error("no output");
    return { status: output.status, text: output.text };
  }

  /** Ends as a killed process would: nobody is told anything, and only what is in the files now remains. Returns where. */
  async crash(): Promise<string> {
    const dir = mkdtempSync(join(tmpdir(), "lydian-pools-"));
    for (const name of ["db", "db-wal"]) copyFileSync(join(this.dir, name), join(dir, name));
    this.host.dead = true;
    this.calls.stop();
    this.database.close();
    await rm(this.dir, REMOVE);
    return dir;
  }

  async close(): Promise<void> {
    await this.pools.stop();
    this.calls.stop();
    this.database.close();
    await rm(this.dir, REMOVE);
  }
}

class DoubleHost implements ContainerHost {
  readonly name = "oci";
  readonly features = {
    isolation: true,
    limits: true,
    diskLimit: true,
    images: true,
    networkIsolation: true,
    pause: true,
    networkPolicy: true,
    snapshots: true,
    mounts: true,
    isolations: ["namespaces"] as const,
    adoption: true,
    sharedNetwork: true,
  };
  readonly runtime = "double";
  readonly #rig: Rig;
  readonly #startError: string | undefined;
  dead = false;
  /** Containers that exist, and the most that did. */
  existing = 0;
  /** What containers were given to end in, from SIGINT on. */
  readonly graces: number[] = [];
  most = 0;
  started = 0;

  constructor(rig: Rig, startError: string | undefined) {
    this.#rig = rig;
    this.#startError = startError;
  }

  async warm(): Promise<void> {}

  async start(spec: ContainerSpec): Promise<Container> {
    this.started++;
    if (this.#startError !== undefined) throw new Error(this.#startError);
    this.existing++;
    this.most = Math.max(this.most, this.existing);
    return new DoubleContainer(spec, this.#rig, () => this.existing--);
  }

  async commit(): Promise<void> {}

  async adopt(): Promise<undefined> {
    return undefined;
  }

  async sweep(): Promise<readonly string[]> {
    return [];
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

class DoubleContainer implements Container {
  readonly isolation = "namespaces";
  readonly id: string;
  readonly exited: Promise<Exit>;
  readonly output: AsyncIterable<OutputChunk>;
  readonly #signals = new AbortController();
  readonly #chunks: OutputChunk[] = [];
  #resolve: (exit: Exit) => void = () => {};
  #wake: () => void = () => {};
  #over = false;
  readonly #graces: number[];

  constructor(spec: ContainerSpec, rig: Rig, onEnd: () => void) {
    this.id = spec.id;
    this.#graces = rig.host.graces;
    this.exited = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    void this.exited.then(onEnd);
    setMaxListeners(0, this.#signals.signal);
    this.output = this.#read();
    const inside = this.#inside(spec.id, rig);
    setImmediate(() => {
      rig.program(inside).then(
        () => this.#end({ code: 0, oomKilled: false }),
        (error: unknown) => {
          inside.print(`${String(error)}\n`);
          this.#end({ code: 1, oomKilled: false });
        },
      );
    });
  }

  async signal(name: string): Promise<void> {
    this.#signals.abort();
    if (name === "SIGKILL") this.#end({ signal: "SIGKILL", oomKilled: false });
  }

  async update(): Promise<void> {}

  enter(): Promise<never> {
    return Promise.reject(new Error("Nothing enters a double."));
  }

  async pause(): Promise<void> {}

  async resume(): Promise<void> {}

  async setNetwork(): Promise<void> {}

  async mount(): Promise<void> {}

  async unmount(): Promise<void> {}

  async outlive(): Promise<void> {}

  async stats() {
    return { memoryBytes: 0, cpuMs: 0, pids: 1 };
  }

  async stop(graceMs: number): Promise<Exit> {
    this.#graces.push(graceMs);
    this.#signals.abort();
    await new Promise((resolve) => setImmediate(resolve));
    this.#end({ signal: "SIGKILL", oomKilled: false });
    return this.exited;
  }

  async remove(): Promise<void> {
    this.#end({ signal: "SIGKILL", oomKilled: false });
  }

  #end(exit: Exit): void {
    this.#over = true;
    this.#signals.abort();
    this.#resolve(exit);
    this.#wake();
  }

  async *#read(): AsyncGenerator<OutputChunk> {
    for (;;) {
      yield* this.#chunks.splice(0);
      if (this.#over) return;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  #inside(taskId: string, rig: Rig): Inside {
    const { signal } = this.#signals;
    const context = () => {
      const caller = rig.pools.callerOf(taskId);
      if (caller === undefined || this.#over || rig.host.dead) throw new Error("the container is gone");
      return rig.context(caller, {}, signal);
    };
    const inside: Inside = {
      rig,
      taskId,
      context,
      signal,
      print: (text) => {
        this.#chunks.push({ stream: "stdout", data: Buffer.from(text) });
        this.#wake();
      },
      exit: (exit) => this.#end({ oomKilled: false, ...exit }),
      start: async () => void (await rig.runtime.start?.(message({}), context())),
      hello: async () => void (await rig.modal.containerHello?.(message({}), context())),
      fetch: async (max = 1) => {
        const given = (await rig.runtime.functionGetInputs?.(create(GetInputsRequestSchema, { max }), context())) ?? {};
        return deliveriesOf(create(GetInputsResponseSchema, given));
      },
      put: async (outputs) => {
        const items = outputs.map(({ item, result }) => ({
          inputId: item.inputId ?? "",
          retryCount: item.retryCount ?? 0,
          result,
          dataFormat: DataFormat.CBOR,
          inputStartedAt: 1,
          outputCreatedAt: 2,
        }));
        await rig.runtime.functionPutOutputs?.(create(PutOutputsRequestSchema, answerColumns(items)), context());
      },
      heartbeat: async () => (await rig.modal.containerHeartbeat?.(message({}), context()))?.cancelInputEvent?.inputIds ?? [],
      serve: async (handle, max = 1) => {
        await inside.start();
        await inside.hello();
        while (!signal.aborted) {
          const items = await inside.fetch(max);
          if (items.some((item) => item.killSwitch)) return;
          await Promise.all(items.map(async (item) => inside.put([{ item, result: await handle(item) }])));
        }
      },
    };
    return inside;
  }
}

export function spawnRequest(text: string, functionId = "fu-1"): FunctionMapRequest {
  return message({
    functionId,
    functionCallType: FunctionCallType.UNARY,
    functionCallInvocationType: FunctionCallInvocationType.ASYNC,
    pipelinedInputs: [{ idx: 0, input: inputOf(text) }],
  });
}

export function inputOf(text: string) {
  return { argsOneof: { case: "args" as const, value: Buffer.from(text) }, dataFormat: DataFormat.CBOR };
}

export function textOf(item: Item): string {
  const args = item.input?.argsOneof;
  return args?.case === "args" ? Buffer.from(args.value).toString() : "";
}

function resultText(result: Result | undefined): string {
  return result?.dataOneof?.case === "data" ? Buffer.from(result.dataOneof.value).toString() : (result?.exception ?? "");
}

/** Handlers are given whole messages by the transport: what a test leaves out has its default here. */
export function message<T>(fields: Record<string, unknown>): T {
  const defaults = {
    functionId: "",
    parentInputId: "",
    functionCallId: "",
    functionCallType: 1,
    functionCallInvocationType: 4,
    pipelinedInputs: [],
    inputs: [],
    outputs: [],
    timeout: 0,
    maxValues: 0,
    lastEntryId: "0-0",
    clearOnSuccess: false,
    terminateContainers: false,
    batchMaxSize: 0,
    environmentName: "",
    appId: "",
    dataChunks: [],
  };
  return { ...defaults, ...fields } as T;
}
