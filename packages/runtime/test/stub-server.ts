// The server's side of a container's conversation, on a unix socket, and the runtime as a process of its own.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import {
  answersOf,
  createServer,
  DataFormat,
  decodePayload,
  deliveryColumns,
  encodePayload,
  type FunctionGetInputsItemSchema,
  type FunctionPutOutputsItem,
  GenericResult_GenericStatus,
  inputId,
  LydianError,
  type MessageInitShape,
  ModalClient,
  Runtime,
  type StartResponseSchema,
  service,
  type TaskResultRequest,
} from "@lydian/protocol";
import * as esbuild from "esbuild";

type ItemInit = Exclude<MessageInitShape<typeof FunctionGetInputsItemSchema>, { $typeName: string }>;
type StartInit = Exclude<MessageInitShape<typeof StartResponseSchema>, { $typeName: string }>;

/** Values that arrive in order; `next` waits for one. */
class Inbox<T> {
  readonly all: T[] = [];
  #taken = 0;
  #wake: (() => void)[] = [];

  push(value: T): void {
    this.all.push(value);
    for (const wake of this.#wake.splice(0)) wake();
  }

  async next(): Promise<T> {
    while (this.all.length <= this.#taken) await new Promise<void>((resolve) => this.#wake.push(resolve));
    return this.all[this.#taken++] as T;
  }
}

export interface StubOptions {
  /** Source of the module that the container loads; it registers functions by hand, since the SDK is another package. */
  readonly source: string;
  readonly functionName?: string;
  readonly slots?: number;
  readonly start?: StartInit;
  readonly maxInlineBytes?: number;
  /** How long the container stands by. */
  readonly startAfterMs?: number;
  /** Outputs with this value are refused. */
  readonly refuse?: string;
}

let runtimeFile: Promise<string> | undefined;

/** The bundled runtime, made once per test file. */
function bundledRuntime(): Promise<string> {
  runtimeFile ??= (async () => {
    const outfile = join(mkdtempSync(join(tmpdir(), "lydian-runtime-")), "runtime.mjs");
    await esbuild.build({
      entryPoints: [fileURLToPath(new URL("../src/main.ts", import.meta.url))],
      bundle: true,
      platform: "node",
      format: "esm",
      target: "node20",
      minify: true,
      conditions: ["lydian-source"],
      outfile,
      logLevel: "silent",
    });
    return outfile;
  })();
  return runtimeFile;
}

const PRELUDE = `
const apps = (globalThis[Symbol.for("lydian.apps.v1")] ??= []);
const context = () => globalThis[Symbol.for("lydian.current-input.v1")]?.getStore();
const app = { name: "demo", options: {}, registered: [] };
apps.push(app);
const register = (name: string, handler: (...args: any[]) => unknown, more: object = {}) => app.registered.push(
  { kind: "function", name, file: undefined, options: {}, handler, isGenerator: /Generator/.test(Object.prototype.toString.call(handler)), handle: {}, ...more } as never);
const registerClass = (name: string, start: (args: unknown[]) => unknown) =>
  app.registered.push({ kind: "class", name, file: undefined, options: {}, methods: [], parameters: [], start, handle: {} } as never);
`;

export class StubContainer implements AsyncDisposable {
  readonly calls: string[] = [];
  readonly outputs = new Inbox<FunctionPutOutputsItem>();
  readonly asked = new Inbox<number>();
  readonly lingers = new Set<number>();
  readonly taskResults = new Inbox<TaskResultRequest>();
  readonly chunkRequests: { index: number; value: Uint8Array }[][] = [];
  readonly blobs = new Map<string, Buffer>();
  stdout = "";
  stderr = "";
  /** The answer to the next fetch; several while the runtime has free slots. */
  readonly #items: ItemInit[] = [];
  #wakeFetch: (() => void) | undefined;
  #wakeBeat: (() => void) | undefined;
  #cancelled: string[] = [];
  #count = 0;
  readonly #dir = mkdtempSync(join(tmpdir(), "lydian-stub-"));
  readonly #options: StubOptions;
  #child: ChildProcess | undefined;
  #close: () => Promise<void> = async () => {};
  exited: Promise<{ code: number | null; signal: string | null }> = Promise.reject(new Error("not started"));

  static async start(options: StubOptions): Promise<StubContainer> {
    const container = new StubContainer(options);
    await container.#start();
    return container;
  }

  private constructor(options: StubOptions) {
    this.#options = options;
    this.exited.catch(() => {});
  }

  /** Hands out an input. Returns its id. */
  send(args: unknown[], more: { named?: Record<string, unknown>; format?: DataFormat; blob?: boolean; method?: string } = {}): string {
    const functionCallId = `fc-${String(++this.#count).padStart(22, "0")}`;
    const id = inputId(functionCallId, 0);
    const format = more.format ?? DataFormat.CBOR_TS;
    const bytes = encodePayload([args, more.named ?? {}], { rich: format === DataFormat.CBOR_TS });
    if (more.blob) this.blobs.set("args", Buffer.from(bytes));
    const argsOneof = more.blob ? { case: "argsBlobId" as const, value: "args" } : { case: "args" as const, value: bytes };
    this.#hand({ inputId: id, functionCallId, input: { argsOneof, dataFormat: format, ...(more.method && { methodName: more.method }) } });
    return id;
  }

  sendKillSwitch(): void {
    this.#hand({ killSwitch: true });
  }

  cancel(inputId: string): void {
    this.#cancelled.push(inputId);
    this.#wakeBeat?.();
  }

  signal(name: NodeJS.Signals): void {
    this.#child?.kill(name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child?.kill("SIGKILL");
    await this.exited.catch(() => {});
    await this.#close();
    rmSync(this.#dir, { recursive: true, force: true });
  }

  #hand(item: ItemInit): void {
    this.#items.push(item);
    this.#wakeFetch?.();
  }

  async #start(): Promise<void> {
    const path = join(this.#dir, "api.sock");
    const server = createServer<null>({
      services: [this.#modal(), this.#runtime()],
      authenticate: () => null,
      http: (request, response) => {
        const id = request.url?.split("/").at(-1) ?? "";
        if (request.method === "GET") return void response.end(this.blobs.get(id));
        const chunks: Buffer[] = [];
        request.on("data", (chunk: Buffer) => chunks.push(chunk));
        request.on("end", () => {
          this.blobs.set(id, Buffer.concat(chunks));
          response.end();
        });
      },
    });
    await server.listen({ path });
    this.#close = () => server.close();
    const source = join(this.#dir, "user.ts");
    writeFileSync(source, PRELUDE + this.#options.source);
    await esbuild.build({
      entryPoints: [source],
      absWorkingDir: this.#dir,
      outfile: this.#module,
      bundle: true,
      format: "esm",
      platform: "node",
      target: "node20",
      sourcemap: "external",
      minifyWhitespace: true,
      logLevel: "silent",
    });
    const child = spawn(process.execPath, [await bundledRuntime()], {
      env: { PATH: process.env.PATH, MODAL_SERVER_URL: `unix://${path}`, FROM_IMAGE: "yes" },
      stdio: ["ignore", "pipe", "pipe"],
    });
    child.stdout.setEncoding("utf8").on("data", (text: string) => (this.stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (this.stderr += text));
    this.exited = once(child, "close").then(([code, signal]) => ({ code, signal }));
    this.#child = child;
  }

  get #module(): string {
    return join(this.#dir, "main.mjs");
  }

  #runtime() {
    return service<typeof Runtime, null>(Runtime, {
      start: async () => {
        this.calls.push("start");
        if (this.#options.startAfterMs !== undefined) await sleep(this.#options.startAfterMs);
        return {
          functionId: "fu-1",
          appId: "ap-1",
          functionIds: { f: "fu-1" },
          module: this.#module,
          appName: "demo",
          functionName: this.#options.functionName ?? "f",
          timeoutSecs: 300,
          slots: this.#options.slots ?? 1,
          maxInlineBytes: BigInt(this.#options.maxInlineBytes ?? 2 * 1024 * 1024),
          ...this.#options.start,
        };
      },
      functionGetInputs: async ({ max, batchLingerMs }, { signal }) => {
        this.lingers.add(batchLingerMs);
        this.calls.push("get");
        this.asked.push(max);
        if (this.#items.length === 0) await this.#until((wake) => (this.#wakeFetch = wake), signal);
        return deliveryColumns(this.#items.splice(0, max));
      },
      functionPutOutputs: (request) => {
        const outputs = answersOf(request);
        this.calls.push("put");
        for (const { result } of this.#options.refuse === undefined ? [] : outputs) {
          const data = result?.dataOneof.case === "data" && result.status === GenericResult_GenericStatus.SUCCESS;
          if (data && this.#options.refuse === decodePayload(result.dataOneof.value as Uint8Array)) {
            throw new LydianError("resource_exhausted", "over the limit");
          }
        }
        for (const output of outputs) this.outputs.push(output);
        return {};
      },
    });
  }

  #modal() {
    return service<typeof ModalClient, null>(ModalClient, {
      containerHello: () => {
        this.calls.push("hello");
        return {};
      },
      containerHeartbeat: async (_request, { signal }) => {
        if (this.#cancelled.length === 0) await this.#until((wake) => (this.#wakeBeat = wake), signal);
        return { cancelInputEvent: { inputIds: this.#cancelled.splice(0) } };
      },
      functionCallPutDataOut: ({ dataChunks }) => {
        this.chunkRequests.push(dataChunks.map(({ index, dataOneof }) => ({ index: Number(index), value: dataOneof.value as Uint8Array })));
        return {};
      },
      taskResult: (request) => {
        this.calls.push("result");
        this.taskResults.push(request);
        return {};
      },
      blobCreate: () => ({ blobId: "result", uploadTypeOneof: { case: "uploadUrl", value: "http://anything/blobs/result" } }),
      blobGet: ({ blobId }) => ({ downloadUrl: `http://anything/blobs/${blobId}` }),
    });
  }

  #until(set: (wake: () => void) => void, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      set(resolve);
      signal.addEventListener("abort", () => resolve(), { once: true });
    });
  }
}
