import { LydianError } from "@lydian/protocol";
import { afterEach, describe, expect, it, vi } from "vitest";
import { ConflictError, InvalidError, NotFoundError } from "../errors.ts";
import { Secret } from "../secret.ts";
import { CommandFailedError, ExecTimeoutError } from "./sandbox-errors.ts";
import { bytes, type Program, startTestSandbox, type TestSandbox, text } from "./test-sandbox.ts";

let rig: TestSandbox | undefined;
afterEach(async () => {
  await rig?.[Symbol.asyncDispose]();
  rig = undefined;
});

async function serve(program: Program = () => ({}), options: Parameters<typeof startTestSandbox>[1] = {}) {
  rig = await startTestSandbox(program, options);
  return rig;
}

describe("the result of a process", () => {
  it("is its whole output and its exit code", async () => {
    const { sandbox } = await serve(() => ({ stdout: "out\n", stderr: "err\n", exit: { case: "code", value: 3 } }));
    expect(await sandbox.exec(["work"])).toEqual({ exitCode: 3, stdout: "out\n", stderr: "err\n" });
  });

  it("is bytes when bytes are asked for", async () => {
    const stdout = new Uint8Array([0, 255, 10, 200]);
    const { sandbox } = await serve(() => ({ stdout }));
    const result = await sandbox.exec(["work"], { encoding: "bytes" });
    expect([...result.stdout]).toEqual([...stdout]);
    expect(result.stderr).toEqual(new Uint8Array());
  });

  it("counts a signal from 128 on", async () => {
    const { sandbox } = await serve(() => ({ exit: { case: "signal", value: 9 } }));
    expect(await sandbox.exec(["work"]).wait()).toBe(137);
  });

  it("is an error only where that is asked for, with what it printed", async () => {
    const { sandbox } = await serve(() => ({ stdout: "half", stderr: "no such table\n", exit: { case: "code", value: 2 } }));
    expect((await sandbox.exec(["work"])).exitCode).toBe(2);
    const error = await sandbox.exec(["work"], { check: true }).then(undefined, (thrown: unknown) => thrown as CommandFailedError);
    expect(error).toBeInstanceOf(CommandFailedError);
    expect(error).toMatchObject({ exitCode: 2, stdout: "half", stderr: "no such table\n", name: "CommandFailedError" });
    expect((error as Error).message).toBe("A process in sandbox sb-1 ended with exit code 2:\nno such table");
  });

  it("can be had after its streams were read: each way of reading begins at the start", async () => {
    const { sandbox } = await serve(() => ({ stdout: "a\nb\r\n\nc" }));
    const process = sandbox.exec(["work"]);
    const lines: string[] = [];
    for await (const line of process.stdout.lines()) lines.push(line);
    expect(lines).toEqual(["a", "b", "", "c"]);
    expect((await process).stdout).toBe("a\nb\r\n\nc");
    expect(await process.stdout.text()).toBe("a\nb\r\n\nc");
  });

  it("keeps characters whole whose bytes come apart", async () => {
    const { sandbox } = await serve(() => ({}), {
      router: {
        async *taskExecStdioRead({ fileDescriptor }) {
          if (fileDescriptor !== 0) return;
          for (const byte of bytes("aü✓\n")) yield { data: new Uint8Array([byte]) };
        },
      },
    });
    const chunks: string[] = [];
    for await (const chunk of sandbox.exec(["work"]).stdout) chunks.push(chunk);
    expect(chunks).toEqual(["a", "ü", "✓", "\n"]);
  });

  it("comes as it is printed to whoever gives a function for it, before the process counts as ended", async () => {
    const { sandbox } = await serve(() => ({ stdout: "out", stderr: "err" }));
    const told: string[] = [];
    await sandbox.exec(["work"], { onStdout: (chunk) => told.push(`1 ${chunk}`), onStderr: (chunk) => told.push(`2 ${chunk}`) }).wait();
    expect(told.sort()).toEqual(["1 out", "2 err"]);
  });

  it("is a stream of the web platform, too", async () => {
    const { sandbox } = await serve(() => ({ stdout: "hello" }));
    expect(await new Response(sandbox.exec(["work"]).stdout.web).text()).toBe("hello");
  });
});

describe("starting a process", () => {
  it("sends program, place, limits, variables and the sandbox's token, once", async () => {
    const { sandbox, started, tokens } = await serve(() => ({}), {
      modal: { secretGetOrCreate: ({ deploymentName }) => ({ secretId: `st-${deploymentName}` }) },
    });
    await sandbox.exec(["ls", "-l"], {
      workdir: "/tmp",
      timeout: "1.5s",
      env: { B: "own", C: undefined },
      secrets: [Secret.fromName("db"), Secret.fromObject({ A: "1", B: "secret" })],
    });
    expect(started).toEqual([
      expect.objectContaining({
        argv: ["ls", "-l"],
        containerId: "",
        workdir: "/tmp",
        timeoutSecs: 2,
        env: { A: "1", B: "own" },
        secretIds: ["st-db"],
      }),
    ]);
    expect(tokens).toEqual(["Bearer first"]);
  });

  it("gives a string to the shell", async () => {
    const { sandbox, started } = await serve();
    await sandbox.exec("echo $HOME | wc -c");
    expect(started[0]?.argv).toEqual(["/bin/sh", "-c", "echo $HOME | wc -c"]);
  });

  it.each([
    [[], "it must be a line for the shell, or a list"],
    [[""], "it must be a line for the shell, or a list"],
    [["a\0b"], "it must be a line for the shell, or a list"],
    [["x".repeat(70_000)], "The command has 70000 characters; at most 65536 are taken."],
  ] as const)("refuses %#: a command that cannot be", async (command, message) => {
    const { sandbox } = await serve();
    expect(() => sandbox.exec(command)).toThrow(message);
  });

  it.each([
    [{ workdir: "tmp" }, '`workdir` is "tmp"; it must be an absolute path'],
    [{ timeout: "soon" }, '`timeout` is "soon"'],
    [{ stdout: "print" }, '`stdout` is "print"; it must be "pipe", "inherit" or "ignore".'],
    [{ pty: { rows: 0, columns: 80 } }, "`pty` is"],
    [{ user: "root" }, "There is no option `user` of exec."],
    [{ workdir: 5 }, "`workdir` is 5"],
    [{ encoding: "utf8" }, '`encoding` is "utf8"; it must be "text" or "bytes".'],
    [{ signal: 5 }, "`signal` is 5; it must be an AbortSignal."],
    [{ onStdout: "print" }, '`onStdout` is "print"; it must be a function.'],
    [{ timeout: "25h" }, '`timeout` is "25h"; it must be from 1 s to 24 h.'],
    ["-l", 'The options of exec are "-l"; they must be an object.'],
    [null, "The options of exec are null"],
  ])("refuses %j by name", async (options, message) => {
    const { sandbox } = await serve();
    expect(() => sandbox.exec(["work"], options as object)).toThrow(InvalidError);
    expect(() => sandbox.exec(["work"], options as object)).toThrow(message);
  });

  it("tells why it failed to everyone who waits, and ends no program that nobody waits in", async () => {
    const { sandbox } = await serve(() => ({}), {
      router: {
        taskExecStart() {
          throw new LydianError("not_found", 'There is no program "wrok".');
        },
      },
    });
    const process = sandbox.exec(["wrok"]);
    await expect(process).rejects.toThrow(NotFoundError);
    await expect(process.wait()).rejects.toThrow('There is no program "wrok".');
    await expect(process.stdout.text()).rejects.toThrow('There is no program "wrok".');
    await expect(process.stdin.write("x")).rejects.toThrow('There is no program "wrok".');
  });

  it("says that a sandbox has ended", async () => {
    const { sandbox } = await serve(() => ({}), {
      router: {
        taskExecStart() {
          throw new LydianError("failed_precondition", "The sandbox has ended.");
        },
      },
    });
    await expect(sandbox.exec(["work"])).rejects.toThrow(ConflictError);
  });
});

describe("the input of a process", () => {
  it("arrives in order and ends when it is ended", async () => {
    const { sandbox } = await serve((_, stdin) => ({ stdout: text(stdin).toUpperCase() }), { reads: () => true });
    const process = sandbox.exec(["upper"]);
    void process.stdin.write("one ");
    await process.stdin.write(bytes("two "));
    await process.stdin.end("three");
    await process.stdin.end();
    expect((await process).stdout).toBe("ONE TWO THREE");
    await expect(process.stdin.write("late")).rejects.toThrow("The input was ended");
  });

  it("travels in pieces of at most 1 MiB", async () => {
    const { sandbox, started } = await serve();
    const process = sandbox.exec(["work"]);
    const large = new Uint8Array(2.5 * 1024 * 1024).map((_, index) => index % 251);
    await process.stdin.end(large);
    expect(started[0]?.stdin).toHaveLength(large.length);
    expect(Buffer.compare(started[0]?.stdin ?? bytes(""), large)).toBe(0);
    expect(started[0]?.pieces).toEqual([1 << 20, 1 << 20, 1 << 19]);
  });

  it("takes nothing after a piece whose fate is not known", async () => {
    let asked = 0;
    const { sandbox } = await serve(() => ({}), {
      router: {
        taskExecStdinWrite() {
          asked++;
          throw new LydianError("failed_precondition", "The process has ended, or reads no more input.");
        },
      },
    });
    const process = sandbox.exec(["work"]);
    await expect(process.stdin.write("a")).rejects.toThrow(ConflictError);
    await expect(process.stdin.write("b")).rejects.toThrow("reads no more input");
    expect(asked).toBe(1);
  });
});

describe("the end of a process", () => {
  it("is asked for until it comes", async () => {
    let asked = 0;
    const { sandbox } = await serve(() => ({}), {
      router: {
        taskExecWait() {
          if (++asked < 3) throw new LydianError("deadline_exceeded", "not yet");
          return { exitStatus: { case: "code", value: 0 } };
        },
      },
    });
    expect(await sandbox.exec(["work"]).wait()).toBe(0);
    expect(asked).toBe(3);
  });

  it("is a timeout when it was killed after its time, with what it had printed", async () => {
    const now = vi.spyOn(performance, "now");
    try {
      const { sandbox } = await serve(() => ({ stdout: "so far", exit: { case: "signal", value: 9 } }), {
        router: {
          taskExecWait() {
            const late = now.getMockImplementation() === undefined ? performance.now() + 5_000 : 0;
            now.mockImplementation(() => late);
            return { exitStatus: { case: "signal", value: 9 } };
          },
        },
      });
      const error = await sandbox.exec(["work"], { timeout: "5s" }).then(undefined, (thrown: unknown) => thrown as ExecTimeoutError);
      expect(error).toBeInstanceOf(ExecTimeoutError);
      expect(error).toMatchObject({ code: "deadline_exceeded", output: { exitCode: 137, stdout: "so far" } });
      expect((error as Error).message).toBe("A process in sandbox sb-1 ran longer than its timeout of 5 s, and was killed.");
    } finally {
      now.mockRestore();
    }
  });

  it("is no timeout when somebody else killed it before", async () => {
    const { sandbox } = await serve(() => ({ exit: { case: "signal", value: 9 } }));
    expect(await sandbox.exec(["work"], { timeout: "1h" }).wait()).toBe(137);
  });

  it("is not waited for when the signal is aborted, and comes then", async () => {
    let isKilled = (_: string): void => undefined;
    const killed = new Promise<string>((resolve) => {
      isKilled = resolve;
    });
    const { sandbox } = await serve(() => ({}), {
      router: { taskExecWait: (_, { signal }) => new Promise((resolve) => signal.addEventListener("abort", () => resolve({}))) },
      processes: {
        signal(request) {
          isKilled(request.signal);
          return {};
        },
      },
    });
    const controller = new AbortController();
    const waiting = sandbox.exec(["work"], { signal: controller.signal }).wait();
    controller.abort(new RangeError("enough"));
    await expect(waiting).rejects.toThrow("enough");
    expect(await killed).toBe("SIGKILL");
  });

  it("is asked for by a signal; a terminal gets another size", async () => {
    const asked: unknown[] = [];
    const note = (request: object) => {
      asked.push(request);
      return {};
    };
    const { sandbox } = await serve(() => ({}), { processes: { signal: note, resize: note } });
    const process = sandbox.exec(["sh"], { pty: true });
    await process.kill();
    await process.kill("SIGINT");
    await process.resize({ rows: 50, columns: 132 });
    await expect(process.resize({ rows: 0, columns: 1 })).rejects.toThrow(InvalidError);
    const { id: execId } = process;
    expect(asked).toMatchObject([
      { taskId: "ta-1", execId, signal: "SIGTERM" },
      { taskId: "ta-1", execId, signal: "SIGINT" },
      { taskId: "ta-1", execId, rows: 50, columns: 132 },
    ]);
  });

  it("can be asked for without waiting", async () => {
    const { sandbox } = await serve(() => ({}), { router: { taskExecPoll: () => ({}) } });
    expect(await sandbox.exec(["work"]).poll()).toBeUndefined();
  });

  it("is not known of a process that is gone", async () => {
    const { sandbox } = await serve(() => ({}), {
      router: {
        taskExecWait() {
          throw new LydianError("not_found", "no such exec");
        },
      },
    });
    await expect(sandbox.exec(["work"]).wait()).rejects.toThrow(/is gone, and how it ended is not known: no such exec/);
  });
});

describe("output over connections that break", () => {
  it("goes on from the byte where it broke off", async () => {
    const asked: number[] = [];
    const { sandbox } = await serve(() => ({}), {
      router: {
        async *taskExecStdioRead({ offset, fileDescriptor }) {
          if (fileDescriptor !== 0) return;
          asked.push(Number(offset));
          const rest = bytes("abcdef").subarray(Number(offset));
          if (rest.length === 0) return;
          yield { data: rest.subarray(0, 2) };
          throw new LydianError("unavailable", "restarting");
        },
      },
    });
    expect((await sandbox.exec(["work"])).stdout).toBe("abcdef");
    expect(asked).toEqual([0, 2, 4, 6]);
  });

  it("is given up at once for what another try cannot help", async () => {
    let asked = 0;
    const { sandbox } = await serve(() => ({}), {
      router: {
        // biome-ignore lint/correctness/useYield: it fails before.
        async *taskExecStdioRead() {
          asked++;
          throw new LydianError("data_loss", "The disk is full.");
        },
      },
    });
    await expect(sandbox.exec(["work"]).stdout.text()).rejects.toThrow("The disk is full.");
    expect(asked).toBe(1);
  });

  it("leaves the server alone when the reader leaves", async () => {
    let aborted: Promise<void> | undefined;
    const { sandbox } = await serve(() => ({}), {
      router: {
        async *taskExecStdioRead(_, { signal }) {
          aborted = new Promise((resolve) => signal.addEventListener("abort", () => resolve()));
          yield { data: bytes("first\n") };
          await aborted;
        },
      },
    });
    for await (const line of sandbox.exec(["work"]).stdout.lines()) {
      expect(line).toBe("first");
      break;
    }
    await aborted;
  });
});

describe("the token of the router", () => {
  const expiring = (inMs: number) =>
    `x.${Buffer.from(JSON.stringify({ exp: Math.floor((Date.now() + inMs) / 1000) })).toString("base64url")}.y`;

  it("is replaced before it expires", async () => {
    let asked = 0;
    const later = expiring(3_600_000);
    const { sandbox, tokens } = await serve(() => ({}), {
      modal: {
        sandboxCreateV2: () => ({ sandboxId: "sb-1", taskId: "ta-1", commandRouterAccess: { jwt: expiring(10_000), url: "" } }),
        sandboxGetCommandRouterAccess() {
          asked++;
          return { jwt: later, url: "" };
        },
      },
    });
    await Promise.all([sandbox.exec(["a"]), sandbox.exec(["b"])]);
    expect(tokens).toEqual([`Bearer ${later}`, `Bearer ${later}`]);
    expect(asked).toBe(1);
  });

  it("is replaced once when it is refused", async () => {
    let asked = 0;
    const { sandbox } = await serve(() => ({}), {
      modal: {
        sandboxGetCommandRouterAccess() {
          asked++;
          return { jwt: `token ${asked}`, url: "" };
        },
      },
      router: {
        taskExecPoll(_, { headers }) {
          if (headers.authorization === "Bearer token 1") return {};
          throw new LydianError("unauthenticated", "no");
        },
      },
    });
    const process = sandbox.exec(["work"]);
    expect(await process.poll()).toBeUndefined();
    expect(asked).toBe(1);
  });
});
