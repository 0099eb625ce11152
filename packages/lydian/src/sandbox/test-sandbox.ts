// For tests: a server with one sandbox, sb-1 in ta-1, whose processes are functions of the test.
import { LydianError, GenericResult_GenericStatus as Status } from "@lydian/protocol";
import { startTestServer, type TestServer, type TestServerOptions } from "../test-server.ts";
import { Sandbox } from "./sandbox.ts";

/** A process as a test has it: it gets its whole input, and says what it prints and how it ends. */
export type Program = (argv: readonly string[], stdin: Uint8Array) => Printed;

interface Printed {
  readonly stdout?: string | Uint8Array;
  readonly stderr?: string;
  readonly exit?: { readonly case: "code" | "signal"; readonly value: number };
}

interface Started {
  readonly argv: readonly string[];
  readonly containerId: string;
  readonly workdir: string | undefined;
  readonly timeoutSecs: number | undefined;
  readonly env: Readonly<Record<string, string>>;
  readonly secretIds: readonly string[];
  stdin: Uint8Array;
  /** Sizes of what came at once. */
  readonly pieces: number[];
  inputEnded: boolean;
}

export interface TestSandbox extends AsyncDisposable {
  readonly server: TestServer;
  readonly sandbox: Sandbox;
  readonly started: Started[];
  /** Tokens that were sent to the router, one for each call. */
  readonly tokens: string[];
}

export const readyImage = { imageId: "im-1", result: { status: Status.SUCCESS } };
export const ended = (status: Status, exitcode = 0, exception = "") => ({ result: { status, exitcode, exception } });

/** A server that makes sandboxes, sb-1 in ta-1, and knows nothing of what is in them. */
export function startSandboxServer(
  modal: TestServerOptions["modal"] = {},
  router: TestServerOptions["router"] = {},
  processes: TestServerOptions["processes"] = {},
): Promise<TestServer> {
  return startTestServer({
    modal: {
      imageGetOrCreate: () => readyImage,
      sandboxCreateV2: () => ({ sandboxId: "sb-1", taskId: "ta-1", commandRouterAccess: { jwt: "first", url: "" } }),
      sandboxGetCommandRouterAccess: () => ({ jwt: "next", url: "" }),
      sandboxGetTaskIdV2: () => ({ taskId: "ta-1" }),
      sandboxWaitV2: () => ({ metadata: { appId: "ap-test" } }),
      ...modal,
    },
    router,
    processes,
  });
}

export const bytes = (text: string) => new TextEncoder().encode(text);
export const text = (data: Uint8Array) => new TextDecoder().decode(data);
const EXIT = { case: "code", value: 0 } as const;

/** A program that needs input runs when that has ended; `reads` says which do. */
export async function startTestSandbox(
  program: Program,
  {
    modal,
    router,
    processes: signals = {},
    reads = () => false,
  }: TestServerOptions & { readonly reads?: (argv: readonly string[]) => boolean } = {},
): Promise<TestSandbox> {
  const processes = new Map<string, Started>();
  const started: Started[] = [];
  const tokens: string[] = [];
  const run = async (execId: string): Promise<Printed> => {
    const process = processes.get(execId);
    if (!process) throw new LydianError("not_found", `no process ${execId}`);
    while (reads(process.argv) && !process.inputEnded) await new Promise((resolve) => setImmediate(resolve));
    return program(process.argv, process.stdin);
  };
  const server = await startSandboxServer(
    modal,
    {
      taskExecStart({ execId, commandArgs, containerId, workdir, timeoutSecs, secretSources }, { headers }) {
        tokens.push(headers.authorization ?? "");
        const env: Record<string, string> = {};
        const secretIds: string[] = [];
        for (const { source } of secretSources) {
          if (source.case === "env") Object.assign(env, source.value.contents);
          if (source.case === "secretId") secretIds.push(source.value);
        }
        const argv = commandArgs;
        const process = { argv, containerId, workdir, timeoutSecs, env, secretIds, stdin: new Uint8Array(), pieces: [], inputEnded: false };
        processes.set(execId, process);
        started.push(process);
        return {};
      },
      taskExecStdinWrite({ execId, offset, data, eof }) {
        const process = processes.get(execId);
        if (!process) throw new LydianError("not_found", `no process ${execId}`);
        const at = Number(offset);
        process.pieces.push(data.length);
        if (data.length > 0) process.stdin = Buffer.concat([process.stdin.subarray(0, at), data]);
        if (eof) process.inputEnded = true;
        return {};
      },
      async *taskExecStdioRead({ execId, offset, fileDescriptor }) {
        const { stdout = "", stderr = "" } = await run(execId);
        const printed = fileDescriptor === 0 ? stdout : stderr;
        const data = (typeof printed === "string" ? bytes(printed) : printed).subarray(Number(offset));
        if (data.length > 0) yield { data };
      },
      async taskExecWait({ execId }) {
        return { exitStatus: (await run(execId)).exit ?? EXIT };
      },
      ...router,
    },
    signals,
  );
  const sandbox = await Sandbox.create();
  return {
    server,
    sandbox,
    started,
    tokens,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}
