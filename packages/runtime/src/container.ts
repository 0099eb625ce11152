// The life of a container, from the first question to the exit code:
//
//   start ──► loading ──hello──► serving ──kill switch, final input──► exit 0, when what runs has ended
//                │                  ├──SIGINT, SIGTERM──► stopping ──► exit 0, when what runs has ended or after 25 s
//                │                  └──uncaught error, process.exit()──► crashed ──► exit 1 or the code's own number
//                └──throws──► crashed ──► the reason is reported, exit 1
import { AsyncLocalStorage } from "node:async_hooks";
import { fileURLToPath } from "node:url";
import {
  Bag,
  type Connection,
  CURRENT_INPUT,
  connect,
  type FunctionGetInputsItem,
  type InputContext,
  LydianError,
  Runtime,
  SESSION,
  type Session,
  type StartResponse,
} from "@lydian/protocol";
import { realPath } from "./bind-paths.ts";
import { type ControlPlane, controlPlane, type OutputInit } from "./control-plane.ts";
import { ExitCalled, exitAfterFlush, ignoreClosedPipes, interceptExit } from "./exit.ts";
import { describeFailure } from "./failure.ts";
import { heartbeat } from "./heartbeat.ts";
import { runInputLoop } from "./input-loop.ts";
import { loadFunction } from "./load-function.ts";
import { OutputQueue } from "./outputs.ts";
import { PayloadTransfer } from "./payload-transfer.ts";
import { rehearseWhileWaiting } from "./rehearsal.ts";
import { runBatch } from "./run-batch.ts";
import { type InputRunner, runInput } from "./run-input.ts";
import { RunningInput } from "./running-input.ts";
import { type Service, startService } from "./service.ts";
import { installStackMapping, StackMapper } from "./stack-map.ts";
import { RUNTIME_VERSION } from "./version.ts";

/** Last words are given this long to reach the server. */
const REPORT_LIMIT_MS = 10_000;
/** The server's own grace is usually shorter, and ends in SIGKILL. */
const STOP_LIMIT_MS = 25_000;

/** Never returns: the process ends. `serverUrl` is normally `unix:///run/lydian/api.sock`. */
export async function runContainer(serverUrl: string | undefined): Promise<never> {
  if (serverUrl === undefined) {
    process.stderr.write("MODAL_SERVER_URL is not set: this program is started by a Lydian server, inside a container.\n");
    return exitAfterFlush(2);
  }
  return new Container(serverUrl).run();
}

class Container {
  readonly #serverUrl: string;
  readonly #connection: Connection;
  readonly #client: ControlPlane;
  readonly #mapper = new StackMapper(fileURLToPath(import.meta.url));
  readonly #currentInput = sharedCurrentInput();
  readonly #outputs: OutputQueue;
  readonly #running = new Bag<RunningInput>();
  readonly #stop = new AbortController();
  #phase: "loading" | "serving" | "stopping" | "crashed" = "loading";
  /** Settles when a crash has been reported; the process ends then. */
  #crash: Promise<never> | undefined;

  constructor(serverUrl: string) {
    this.#serverUrl = serverUrl;
    this.#connection = connect({ url: serverUrl });
    this.#client = controlPlane(this.#connection);
    this.#outputs = new OutputQueue({
      client: this.#client,
      refused: (output, error) => this.#refused(output, error),
      onLost: (error) => this.#fall(error),
    });
  }

  async run(): Promise<never> {
    this.#takeOverProcess();
    let service: Service | undefined;
    try {
      const given = await this.#start();
      service = await this.#load(given);
      if (this.#crash) return await this.#crash;
      await this.#client.containerHello({}, { signal: this.#stop.signal });
      if (this.#phase === "loading") this.#phase = "serving";
      void heartbeat({ client: this.#client, signal: this.#stop.signal, cancel: (inputIds) => this.#cancel(inputIds) });
      await this.#serve(service, given);
      await this.#outputs.flush();
    } catch (error) {
      if (this.#phase !== "stopping") this.#fall(error);
    }
    if (this.#crash) return this.#crash;
    await service?.stop().catch((error: unknown) => this.#print("an exit hook failed: ", error));
    // A hook may have left something behind that failed, or called process.exit().
    if (this.#crash) return this.#crash;
    this.#stop.abort();
    return exitAfterFlush(0);
  }

  #takeOverProcess(): void {
    ignoreClosedPipes();
    installStackMapping(this.#mapper);
    interceptExit((exit) => this.#fall(exit));
    process.on("uncaughtException", (error) => this.#fall(error));
    process.on("unhandledRejection", (reason) => this.#fall(reason));
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => this.#interrupt());
  }

  /** A standby container waits here for its function. */
  async #start(): Promise<StartResponse> {
    const request = { nodeVersion: process.versions.node, runtimeVersion: RUNTIME_VERSION };
    const starting = this.#connection.service(Runtime).start(request, { signal: this.#stop.signal });
    void rehearseWhileWaiting(starting, this.#currentInput);
    const given = await starting.catch(leaveWhenUnwanted);
    Object.assign(process.env, given.env);
    if (given.workdir !== "") enter(given.workdir);
    const { environment, appId, functionIds } = given;
    const session: Session = { serverUrl: this.#serverUrl, environment, appId, functionIds: { ...functionIds } };
    (globalThis as Record<symbol, unknown>)[SESSION] = session;
    return given;
  }

  async #load({ module, appName, functionName, classArguments }: StartResponse): Promise<Service> {
    return startService(await loadFunction({ module: realPath(module), appName, functionName }), classArguments);
  }

  async #serve(service: Service, given: StartResponse): Promise<void> {
    const maxInlineBytes = Number(given.maxInlineBytes);
    const transfer = new PayloadTransfer({ connection: this.#connection, client: this.#client, maxInlineBytes });
    const runner: InputRunner = {
      service,
      transfer,
      client: this.#client,
      currentInput: this.#currentInput,
      fail: (input: RunningInput, thrown: unknown) => this.#fail(input, thrown),
    };
    const timeoutMs = given.timeoutSecs * 1000;
    const begin = (item: FunctionGetInputsItem): RunningInput => {
      const input = new RunningInput({ item, timeoutMs, answer: (output) => this.#outputs.put(output) });
      this.#running.add(input);
      return input;
    };
    const { batchMaxSize: maxSize, batchLingerMs: lingerMs } = given;
    await runInputLoop({
      client: this.#client,
      // The server counts inputs.
      slots: maxSize > 0 ? Math.max(1, Math.floor(given.slots / maxSize)) : given.slots,
      maxInputs: given.maxInputs,
      signal: this.#stop.signal,
      run: async (item) => {
        const input = begin(item);
        await runInput(input, runner);
        this.#running.delete(input);
      },
      batch:
        maxSize === 0
          ? undefined
          : {
              maxSize,
              lingerMs,
              run: async (items) => {
                const inputs = items.map(begin);
                await runBatch(inputs, runner);
                for (const input of inputs) this.#running.delete(input);
              },
            },
    });
  }

  #print(what: string, thrown: unknown): void {
    process.stderr.write(`${what}${describeFailure(thrown, this.#mapper, false).text}\n`);
  }

  #fail(input: RunningInput, thrown: unknown): void {
    // The container's own stop is no fault of the input: without an answer the server runs it again elsewhere.
    if (input.signal.aborted && input.signal.reason === this.#stop.signal.reason) return;
    if (!input.answered) input.answer(describeFailure(thrown, this.#mapper, input.rich).result);
  }

  #cancel(inputIds: readonly string[]): boolean {
    let any = false;
    for (const input of this.#running) {
      if (input.answered || !inputIds.includes(input.item.inputId)) continue;
      input.cancel();
      any = true;
    }
    return any;
  }

  /** The server will not have this output: its caller gets the reason instead. */
  #refused(output: OutputInit, error: LydianError): OutputInit {
    const thrown = new LydianError(error.code, `the result was refused by the server: ${error.message}`);
    return { ...output, result: describeFailure(thrown, this.#mapper, false).result };
  }

  /** SIGINT and SIGTERM: takes nothing new and asks what runs to end. What still succeeds is answered; the rest runs again elsewhere. */
  #interrupt(): void {
    if (this.#phase === "crashed") return;
    if (this.#phase === "stopping") return void exitAfterFlush(130);
    this.#phase = "stopping";
    const reason = new LydianError("aborted", "the container is being stopped");
    this.#stop.abort(reason);
    for (const input of this.#running) input.abort(reason);
    setTimeout(() => void exitAfterFlush(0), STOP_LIMIT_MS).unref();
  }

  /**
   * Something went wrong that no handler caught. What state the process is in is unknown, so it ends, after it has failed the input that
   * this comes from, or all when that cannot be told. The server runs the others again.
   */
  #fall(thrown: unknown): void {
    if (this.#crash) return;
    if (this.#phase === "stopping") {
      if (!(thrown instanceof ExitCalled)) this.#print("", thrown);
      return;
    }
    const phase = this.#phase;
    this.#phase = "crashed";
    const culprit = this.#currentInput.getStore();
    this.#crash = phase === "loading" ? this.#reportFailedStart(thrown) : this.#reportCrash(thrown, culprit);
  }

  async #reportFailedStart(thrown: unknown): Promise<never> {
    const { text, result } = describeFailure(thrown, this.#mapper, true);
    process.stderr.write(`${text}\n`);
    try {
      await this.#client.taskResult({ result }, { timeoutMs: REPORT_LIMIT_MS });
    } catch (error) {
      process.stderr.write(`the reason could not be reported to the server: ${(error as Error).message}\n`);
    }
    return exitAfterFlush((thrown instanceof ExitCalled && thrown.exitCode) || 1);
  }

  async #reportCrash(thrown: unknown, culprit: InputContext | undefined): Promise<never> {
    const running = [...this.#running].filter((input) => !input.answered);
    const guilty = running.filter((input) => input.scope === culprit);
    const { text } = describeFailure(thrown, this.#mapper, false);
    process.stderr.write(`uncaught, so this container ends: ${text}\n`);
    for (const input of guilty.length > 0 ? guilty : running) input.answer(describeFailure(thrown, this.#mapper, input.rich).result);
    this.#stop.abort();
    const limit = new Promise<void>((resolve) => setTimeout(resolve, REPORT_LIMIT_MS).unref());
    await Promise.race([this.#outputs.flush(), limit]);
    return exitAfterFlush(thrown instanceof ExitCalled ? thrown.exitCode : 1);
  }
}

/** The container is being stopped before it became anything: nobody is to read about that. */
function leaveWhenUnwanted(error: unknown): Promise<never> {
  if (LydianError.is(error) && error.code === "aborted") return exitAfterFlush(0);
  throw error;
}

function enter(workdir: string): void {
  try {
    process.chdir(workdir);
  } catch (cause) {
    throw new LydianError("failed_precondition", `the working directory ${workdir} cannot be entered: ${(cause as Error).message}`, {
      cause,
    });
  }
}

/** One per process, whichever copy of our code comes first. */
function sharedCurrentInput(): AsyncLocalStorage<InputContext> {
  const shared = globalThis as Record<symbol, unknown>;
  shared[CURRENT_INPUT] ??= new AsyncLocalStorage<InputContext>();
  return shared[CURRENT_INPUT] as AsyncLocalStorage<InputContext>;
}
