import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { chmod, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { AgentProcess } from "./agent.ts";
import { finish, shell, startTestAgent, type TestAgent } from "./testing.ts";

let test: TestAgent;
beforeAll(async () => {
  test = await startTestAgent();
});
afterAll(() => test?.[Symbol.asyncDispose]());

const env = { PATH: "/usr/bin:/bin" };
const isAlive = (pid: number) => existsSync(`/proc/${pid}`);
const residentKiB = (pid: number) => Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);

async function readUntil(process: AgentProcess, wanted: string): Promise<string> {
  let text = "";
  for await (const chunk of process.output) {
    text += Buffer.from(chunk.data).toString();
    if (text.includes(wanted)) return text;
  }
  throw new Error(`It ended after ${JSON.stringify(text)}`);
}

/** Feeds what is given when it is given, and collects the output. */
function conversation(process: AgentProcess) {
  let text = "";
  let wake = () => {};
  const reading = (async () => {
    for await (const chunk of process.output) {
      text += Buffer.from(chunk.data).toString();
      wake();
    }
  })();
  return {
    async until(wanted: string | RegExp): Promise<string> {
      while (typeof wanted === "string" ? !text.includes(wanted) : !wanted.test(text)) {
        const more = await Promise.race([new Promise<true>((resolve) => (wake = () => resolve(true))), reading]);
        if (more !== true) throw new Error(`It ended after ${JSON.stringify(text)}`);
      }
      const seen = text;
      text = "";
      return seen;
    },
    type: (keys: string) => process.write(Buffer.from(keys)),
  };
}

describe("a process of the agent", () => {
  it.each([0, 1, 42, 137, 255])("ends with code %i", async (code) => {
    expect(await finish(await shell(test.agent, `exit ${code}`))).toMatchObject({ code });
  });

  it.each(["SIGKILL", "SIGTERM", "SIGSEGV", "SIGUSR2"] as const)("ends with %s", async (signal) => {
    expect(await finish(await shell(test.agent, `kill -${signal.slice(3)} $$`))).toEqual({ stdout: "", stderr: "", signal });
  });

  it("tells how it ended when it ends while it is still being written to", async () => {
    const ends = Array.from({ length: 200 }, async () => {
      const process = await shell(test.agent, "read word; echo $word; exit 7");
      await process.write(Buffer.from("word\n")).catch(() => undefined);
      process.write(Buffer.from("more\n")).catch(() => undefined);
      void process.endInput();
      return finish(process);
    });
    for (const end of await Promise.all(ends)) expect(end).toEqual({ stdout: "word\n", stderr: "", code: 7 });
  });

  it("has its own output streams, environment, working directory, session and no inherited descriptors", async () => {
    const process = await test.agent.exec({
      argv: ["sh", "-c", 'echo out; echo err >&2; pwd; echo "$A"; export -p | wc -l; ls /proc/self/fd; ps -o sid= -p $$'],
      env: { ...env, A: "x 'y" },
      workdir: test.dir,
    });
    const { stdout, stderr, code } = await finish(process);
    expect(stdout.split(/\s*\n\s*/)).toEqual(["out", test.dir, "x 'y", "3", "0", "1", "2", "3", `${process.pid}`, ""]);
    expect([stderr, code]).toEqual(["err\n", 0]);
  });

  it("says which step failed, and with what", async () => {
    const plain = join(test.dir, "plain");
    await writeFile(plain, "no program");
    const start = (argv: string[], workdir = "/") => test.agent.exec({ argv, env, workdir });
    await expect(start(["/does/not/exist"])).rejects.toMatchObject({ code: "ENOENT", step: "exec" });
    await expect(start(["does-not-exist"])).rejects.toMatchObject({ code: "ENOENT", step: "exec" });
    await expect(start([plain])).rejects.toMatchObject({ code: "EACCES", step: "exec" });
    await expect(start([test.dir])).rejects.toMatchObject({ code: "EACCES", step: "exec" });
    await chmod(plain, 0o755);
    await expect(start([plain])).rejects.toMatchObject({ code: "ENOEXEC", step: "exec" });
    await expect(start(["true"], "/does/not/exist")).rejects.toMatchObject({ code: "ENOENT", step: "chdir" });
    await expect(start(["true"], plain)).rejects.toMatchObject({ code: "ENOTDIR", step: "chdir" });
    await expect(start(["true"], "relative")).rejects.toThrow('The working directory "relative" must be absolute (EINVAL).');
    await expect(start([])).rejects.toThrow("There is no program to run (EINVAL).");
    await expect(start(["true", "a\0b"])).rejects.toMatchObject({ code: "EINVAL" });
    await expect(start(["true", "x".repeat(5 << 20)])).rejects.toMatchObject({ code: "E2BIG" });
    await expect(start(["true", "x".repeat(200_000)])).rejects.toMatchObject({ code: "E2BIG" });
  });

  it("runs as another user", async () => {
    const process = await test.agent.exec({ argv: ["id"], env, workdir: "/", user: { uid: 12_345, gid: 54_321 } });
    expect((await finish(process)).stdout).toBe("uid=12345 gid=54321 groups=54321\n");
  });

  it("takes input piece by piece, and its end", async () => {
    const process = await shell(test.agent, "read a; echo $a; cat");
    const talk = conversation(process);
    await talk.type("one\n");
    await talk.until("one\n");
    await talk.type("two");
    await talk.until("two");
    expect(process.inputTaken).toBe(7);
    await process.endInput();
    expect(await process.exited).toMatchObject({ code: 0 });
    await process.endInput();
    await expect(process.write(Buffer.from("x"))).rejects.toMatchObject({ code: "EPIPE" });
  });

  it("refuses input that nobody will read", async () => {
    const process = await shell(test.agent, "exec <&-; echo closed; exec sleep 1000");
    await readUntil(process, "closed");
    await expect(process.write(Buffer.alloc(1 << 20))).rejects.toMatchObject({ code: "EPIPE" });
    process.close();
  });

  it("reaches a process by signal whose stdin is full", async () => {
    const process = await test.agent.exec({ argv: ["sleep", "1000"], env, workdir: "/" });
    const writing = process.write(Buffer.alloc(1 << 20));
    const failed = expect(writing).rejects.toMatchObject({ code: "EPIPE" });
    await expect.poll(() => process.inputTaken, { timeout: 10_000 }).toBe(64 << 10);
    process.signal("SIGTERM");
    expect(await process.exited).toMatchObject({ signal: "SIGTERM" });
    await failed;
  });

  it("carries 100 MB through stdin, cat and stdout with little memory", async () => {
    const process = await test.agent.exec({ argv: ["cat"], env, workdir: "/" });
    const block = randomBytes(1 << 20);
    const [sent, received] = [createHash("sha256"), createHash("sha256")];
    const writing = (async () => {
      for (let index = 0; index < 100; index++) {
        block.writeUInt32BE(index, index * 4);
        sent.update(block);
        await process.write(block);
      }
      await process.endInput();
    })();
    let bytes = 0;
    for await (const { data } of process.output) {
      received.update(data);
      bytes += data.byteLength;
    }
    await writing;
    expect(bytes).toBe(100 << 20);
    expect(received.digest("hex")).toBe(sent.digest("hex"));
    expect(await process.exited).toMatchObject({ code: 0 });
    expect(residentKiB(test.pid)).toBeLessThan(8_192);
  });

  it("stops a process whose output nobody reads, and knows of the end of one that had little to say", async () => {
    const loud = await shell(test.agent, `echo $$ >${test.dir}/loud; exec yes`);
    const quiet = await shell(test.agent, "seq 1 60000");
    expect(await quiet.exited).toMatchObject({ code: 0 });
    const pid = (await readFile(join(test.dir, "loud"), "utf8")).trim();
    // Asleep in a write to the full pipe.
    await expect.poll(() => readFileSync(`/proc/${pid}/stat`, "utf8").split(" ")[2], { timeout: 10_000 }).toBe("S");
    loud.close();
    quiet.close();
    await expect.poll(() => isAlive(Number(pid)), { timeout: 10_000 }).toBe(false);
  });

  it("loses nothing to a slow reader", async () => {
    const process = await shell(test.agent, "seq 1 500000");
    let text = "";
    for await (const { data } of process.output) {
      text += Buffer.from(data).toString("latin1");
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(text.length).toBe(3_388_895);
    expect(text.endsWith("\n500000\n")).toBe(true);
  });

  it("runs 200 at once", async () => {
    const results = await Promise.all(
      Array.from({ length: 200 }, async (_, index) => finish(await shell(test.agent, `echo ${index}; exit ${index % 7}`))),
    );
    expect(results).toEqual(Array.from({ length: 200 }, (_, index) => ({ stdout: `${index}\n`, stderr: "", code: index % 7 })));
  });

  it("ends although a child in the background holds its pipes, delivers what was printed, and lets the child live", async () => {
    const process = await shell(
      test.agent,
      `sh -c 'while [ ! -e ${test.dir}/go ]; do sleep 0.05; done; echo late && echo alive >${test.dir}/alive' & echo $!`,
    );
    const { stdout, code } = await finish(process);
    expect(code).toBe(0);
    const child = Number(stdout.trim());
    expect(isAlive(child)).toBe(true);
    await writeFile(join(test.dir, "go"), "");
    await expect.poll(() => existsSync(join(test.dir, "alive")), { timeout: 10_000 }).toBe(true);
    // It has no parent any more but the agent, which reaps it.
    await expect.poll(() => isAlive(child), { timeout: 10_000 }).toBe(false);
  });

  it("signals its whole group", async () => {
    const process = await shell(test.agent, "sleep 1000 & echo $!; wait");
    const child = Number((await readUntil(process, "\n")).trim());
    process.signal("SIGTERM");
    expect(await process.exited).toMatchObject({ signal: "SIGTERM" });
    await expect.poll(() => isAlive(child), { timeout: 10_000 }).toBe(false);
  });

  it("dies with its owner: by close and by abort", async () => {
    for (const end of ["close", "abort"]) {
      const controller = new AbortController();
      const process = await test.agent.exec(
        { argv: ["sh", "-c", "sleep 1000 & echo $!; wait"], env, workdir: "/" },
        { signal: controller.signal },
      );
      const child = Number((await readUntil(process, "\n")).trim());
      end === "close" ? process.close() : controller.abort();
      expect(await process.exited).toMatchObject({ signal: "SIGKILL" });
      await expect.poll(() => isAlive(child) || isAlive(process.pid), { timeout: 10_000 }).toBe(false);
    }
    await expect(test.agent.exec({ argv: ["true"], env, workdir: "/" }, { signal: AbortSignal.abort() })).rejects.toThrow(/abort/);
  });
});

describe("a terminal", () => {
  const pty = { rows: 24, columns: 80 };

  it("is one: size, echo, one stream, Ctrl-C", async () => {
    const process = await shell(test.agent, "stty size; tty; echo err >&2; read x; echo got $x; exec sleep 1000", { pty });
    const talk = conversation(process);
    expect(await talk.until("err\r\n")).toMatch(/^24 80\r\n\/dev\/pts\/\d+\r\nerr\r\n$/);
    await talk.type("hello\r");
    expect(await talk.until("got hello\r\n")).toBe("hello\r\ngot hello\r\n");
    await talk.type("\x03");
    expect(await process.exited).toMatchObject({ signal: "SIGINT" });
  });

  it("is resized, which its programs are told", async () => {
    const process = await shell(test.agent, "trap 'stty size' WINCH; echo up; while :; do sleep 0.05; done", { pty });
    const talk = conversation(process);
    await talk.until("up");
    process.resize(50, 132);
    await talk.until("50 132");
    process.close();
  });

  it("types an end of file", async () => {
    const process = await shell(test.agent, "cat; echo over", { pty });
    await process.endInput();
    expect(await finish(process)).toMatchObject({ stdout: "over\r\n", code: 0 });
  });

  it("delivers all that was printed before the end", async () => {
    const { stdout } = await finish(await shell(test.agent, "seq 1 100000", { pty }));
    expect(stdout.length).toBe(688_895);
    expect(stdout.endsWith("\r\n100000\r\n")).toBe(true);
  });

  it("hangs up on what is left in its session", async () => {
    const process = await shell(test.agent, "sleep 1000 & echo $!", { pty });
    const { stdout } = await finish(process);
    await expect.poll(() => isAlive(Number(stdout.trim())), { timeout: 10_000 }).toBe(false);
  });
});

describe("a connection to a port inside", () => {
  it.each(["127.0.0.1", "::1"])("reaches %s, each direction with its own end", async (host) => {
    const server = createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket));
    await once(server.listen(0, host), "listening");
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const socket = await test.agent.connect(port);
    const data = randomBytes(3 << 20);
    socket.end(data);
    const received: Buffer[] = [];
    for await (const chunk of socket) received.push(chunk as Buffer);
    expect(Buffer.concat(received).equals(data)).toBe(true);
    server.close();
    await expect(test.agent.connect(port)).rejects.toMatchObject({ code: "ECONNREFUSED", step: "connect" });
  });

  it("keeps what a program says first until somebody reads", async () => {
    const server = createServer((socket) => socket.end("who is there?"));
    await once(server.listen(0, "127.0.0.1"), "listening");
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const sockets = await Promise.all(Array.from({ length: 50 }, () => test.agent.connect(port)));
    // They have all been told by now.
    await finish(await shell(test.agent, "true"));
    for (const socket of sockets) {
      const received: Buffer[] = [];
      for await (const chunk of socket) received.push(chunk as Buffer);
      expect(Buffer.concat(received).toString()).toBe("who is there?");
    }
    server.close();
  });

  it("ends when either side goes", async () => {
    const connected: Promise<void>[] = [];
    const server = createServer((socket) => {
      socket.on("error", () => {});
      connected.push(new Promise((resolve) => socket.on("close", () => resolve())));
      socket.write("hi");
    });
    await once(server.listen(0, "127.0.0.1"), "listening");
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const socket = await test.agent.connect(port);
    const greeted = once(socket, "data");
    socket.resume();
    await greeted;
    socket.destroy();
    await Promise.all(connected);
    await expect(test.agent.connect(70_000)).rejects.toThrow("must be a whole number from 1 to 65,535");
    server.close();
  });
});
