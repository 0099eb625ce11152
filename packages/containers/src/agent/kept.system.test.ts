// Processes that live on without their server, and what the next one makes of them.

import { readFile } from "node:fs/promises";
import { expect, it } from "vitest";
import { statFields } from "../process/proc-stat.ts";
import type { Agent, AgentProcess, Taken } from "./agent.ts";
import { type AgentListener, listenForAgent } from "./listener.ts";
import { finish, startTestAgent } from "./testing.ts";
import { KEPT_WINDOW } from "./wire.ts";

const LIFE_S = 3_600;

async function start() {
  const test = await startTestAgent();
  test.agent.live(LIFE_S);
  const listeners: AgentListener[] = [test.listener];
  return {
    test,
    agent: test.agent,
    run: (agent: Agent, line: string, more: { stderr?: "stdout"; pty?: { rows: number; columns: number } } = {}) =>
      agent.exec({ argv: ["/bin/sh", "-c", line], env: { PATH: "/usr/bin:/bin" }, workdir: "/", keep: line, ...more }),
    /** The server goes without a word, and another comes. */
    async next(): Promise<Agent> {
      await listeners.at(-1)?.detach();
      const listener = await listenForAgent({ path: test.socket, secret: test.listener.secret });
      listeners.push(listener);
      return listener.connected(10_000);
    },
    async [Symbol.asyncDispose]() {
      await listeners.at(-1)?.[Symbol.asyncDispose]();
      await test[Symbol.asyncDispose]();
    },
  };
}

async function attach(agent: Agent, taken: Taken = { stdout: 0, stderr: 0 }, isTerminal = false) {
  const [kept] = await agent.kept();
  if (kept === undefined) throw new Error("There is no process.");
  return { ...(await agent.attach(kept.key, taken, isTerminal)), note: kept.note };
}

/** Reads to the end, and confirms what has come. `most`: stops after so many bytes. */
async function read(process: AgentProcess, from: { stdout: number; stderr: number }, most = Number.POSITIVE_INFINITY) {
  const parts = { stdout: [] as Uint8Array[], stderr: [] as Uint8Array[] };
  const taken = { ...from };
  let bytes = 0;
  for await (const { stream, data } of process.output) {
    parts[stream].push(data);
    taken[stream] += data.length;
    bytes += data.length;
    if (bytes >= most) break;
    process.taken(taken);
  }
  return { stdout: Buffer.concat(parts.stdout).toString(), stderr: Buffer.concat(parts.stderr).toString(), taken };
}

it("loses nothing and doubles nothing, whenever the server goes", async () => {
  await using rig = await start();
  const line = "seq 1 60000; seq 60001 120000 >&2; seq 120001 180000";
  let process = await rig.run(rig.agent, line);
  let all = { stdout: "", stderr: "" };
  let taken = { stdout: 0, stderr: 0 };
  for (let round = 1; ; round++) {
    const part = await read(process, taken, 70_000 * round);
    all = { stdout: all.stdout + part.stdout, stderr: all.stderr + part.stderr };
    taken = part.taken;
    if (part.stdout.endsWith("180000\n")) break;
    const again = await attach(await rig.next(), taken);
    expect(again.note).toBe(line);
    process = again.process;
  }
  expect(await process.exited).toMatchObject({ code: 0 });
  const numbers = (text: string) => text.trim().split("\n").map(Number);
  expect(numbers(all.stdout)).toEqual([
    ...Array.from({ length: 60_000 }, (_, index) => index + 1),
    ...Array.from({ length: 60_000 }, (_, index) => index + 120_001),
  ]);
  expect(numbers(all.stderr)).toEqual(Array.from({ length: 60_000 }, (_, index) => index + 60_001));
});

it("waits when nobody confirms, and goes on when somebody does", async () => {
  await using rig = await start();
  await rig.run(rig.agent, "head -c 4000000 /dev/zero; echo more");
  const agent = await rig.next();
  let { process } = await attach(agent);
  let received = 0;
  for await (const { data } of process.output) {
    received += data.length;
    if (received >= KEPT_WINDOW) break;
  }
  // More than a pipe's content was not read: it still waits.
  expect(received).toBeLessThan(KEPT_WINDOW + (64 << 10));
  ({ process } = await attach(await rig.next(), { stdout: received, stderr: "none" }));
  const rest = await read(process, { stdout: received, stderr: 0 });
  expect(received + rest.stdout.length).toBe(4_000_005);
  expect(await process.exited).toMatchObject({ code: 0 });
});

it("takes its input once, and tells how much of it came", async () => {
  await using rig = await start();
  const process = await rig.run(rig.agent, "read a; echo $a; read b; echo $b; cat");
  await process.write(Buffer.from("one\n"));
  const first = await attach(await rig.next());
  expect(first.state).toEqual({ inputReceived: 4, inputOver: false, ended: false });
  expect(first.process.pid).toBe(process.pid);
  await first.process.write(Buffer.from("two\n"));
  await first.process.write(Buffer.from("three"));
  await first.process.endInput();
  const second = await attach(await rig.next());
  expect(second.state).toMatchObject({ inputReceived: 13, inputOver: true });
  await expect(second.process.write(Buffer.from("x"))).rejects.toMatchObject({ code: "EPIPE" });
  expect(await finish(second.process)).toMatchObject({ stdout: "one\ntwo\nthree", code: 0 });
});

it("remembers how it ended until it is closed, and then nothing", async () => {
  await using rig = await start();
  await rig.run(rig.agent, "echo last; exit 9");
  let agent = await rig.next();
  let { process } = await attach(agent);
  expect(await finish(process)).toMatchObject({ stdout: "last\n", code: 9 });
  agent = await rig.next();
  ({ process } = await attach(agent, { stdout: "none", stderr: "none" }));
  expect(await finish(process)).toMatchObject({ stdout: "", code: 9 });
  const [{ key } = { key: Buffer.alloc(16) }] = await agent.kept();
  process.close();
  expect(await agent.kept()).toEqual([]);
  await expect(agent.attach(key, { stdout: 0, stderr: 0 }, false)).rejects.toMatchObject({ code: "ESRCH" });
});

it("is killed when it is closed, and not kept when it cannot be started", async () => {
  await using rig = await start();
  const process = await rig.run(rig.agent, "exec sleep 1000");
  process.close();
  expect(await process.exited).toMatchObject({ signal: "SIGKILL" });
  await expect(rig.agent.exec({ argv: ["/none"], env: {}, workdir: "/", keep: "x" })).rejects.toMatchObject({ code: "ENOENT" });
  await expect(rig.agent.exec({ argv: ["sh"], env: {}, workdir: "/", keep: "x".repeat(4_097) })).rejects.toMatchObject({ code: "EINVAL" });
  expect(await rig.agent.kept()).toEqual([]);
  // One that is not kept goes with its stream.
  const other = await rig.agent.exec({ argv: ["/bin/sh", "-c", "exec sleep 1000"], env: {}, workdir: "/" });
  const agent = await rig.next();
  expect(await other.exited).toMatchObject({ signal: "SIGKILL" });
  const probe = await agent.exec({
    argv: ["/bin/sh", "-c", `while [ -d /proc/${other.pid} ]; do sleep 0.02; done`],
    env: {},
    workdir: "/",
  });
  expect(await finish(probe)).toMatchObject({ code: 0 });
});

it("keeps a terminal, and the order of two streams in one", async () => {
  await using rig = await start();
  const pty = await rig.run(rig.agent, "stty size; read x; stty size; echo got $x", { pty: { rows: 10, columns: 20 } });
  await pty.output[Symbol.asyncIterator]().next();
  const again = await attach(await rig.next(), { stdout: 0, stderr: 0 }, true);
  again.process.resize(30, 40);
  await again.process.write(Buffer.from("word\r"));
  expect((await finish(again.process)).stdout).toBe("10 20\r\nword\r\n30 40\r\ngot word\r\n");
  expect(again.process.pid).toBe(pty.pid);
  again.process.close();
  await rig.run(await rig.next(), "for i in 1 2 3; do echo o$i; echo e$i >&2; done", { stderr: "stdout" });
  const { process } = await attach(await rig.next());
  expect(await finish(process)).toMatchObject({ stdout: "o1\ne1\no2\ne2\no3\ne3\n", stderr: "", code: 0 });
});

it("ends with all it has started when its time is over, and no server is there", async () => {
  await using rig = await start();
  const process = await rig.run(rig.agent, "exec sleep 1000");
  rig.agent.live(1);
  await rig.test.listener.detach();
  await rig.test.ended;
  // Whoever inherits it may not have noticed yet that it is dead.
  const state = async () => statFields(await readFile(`/proc/${process.pid}/stat`, "utf8").catch(() => "")).at(0);
  await expect.poll(state, { timeout: 10_000 }).toMatch(/^Z?$/);
});
