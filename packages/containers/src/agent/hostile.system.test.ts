// What a program inside may try, and what happens when one side vanishes.

import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { expect, it } from "vitest";
import { listenForAgent } from "./listener.ts";
import { finish, shell, startTestAgent, type TestAgent } from "./testing.ts";
import { encodeFrame, FRAME, WIRE_VERSION } from "./wire.ts";

async function knock(test: TestAgent, ...bytes: Buffer[]): Promise<Socket> {
  const socket = connect(test.socket);
  socket.on("error", () => {});
  await once(socket, "connect");
  for (const each of bytes) socket.write(each);
  return socket;
}
const closed = (socket: Socket) => (socket.closed ? undefined : once(socket.resume(), "close"));
const isAlive = (pid: number) => existsSync(`/proc/${pid}`);

it("closes on whoever has no token, or pretends to be a second agent", async () => {
  await using test = await startTestAgent();
  const header = (type: number, length: number) => {
    const frame = encodeFrame(type);
    frame.writeUInt32BE(length, 1);
    return frame;
  };
  const attempts = [
    [encodeFrame(FRAME.token, Buffer.alloc(16))],
    [encodeFrame(FRAME.token, Buffer.alloc(3))],
    [encodeFrame(FRAME.hello, Buffer.from([WIRE_VERSION]))],
    [encodeFrame(FRAME.hello, Buffer.alloc(33, WIRE_VERSION))],
    [encodeFrame(FRAME.welcome, Buffer.alloc(30))],
    [header(FRAME.token, 0xffff_ffff)],
    [header(FRAME.hello, 34)],
  ];
  for (const bytes of attempts) await closed(await knock(test, ...bytes));
  expect(await finish(await shell(test.agent, "echo fine"))).toMatchObject({ stdout: "fine\n", code: 0 });
});

it("goes on working while 2,000 strangers hang around", async () => {
  await using test = await startTestAgent();
  const strangers = await Promise.all(Array.from({ length: 2_000 }, () => knock(test)));
  expect(await finish(await shell(test.agent, "echo fine"))).toMatchObject({ stdout: "fine\n", code: 0 });
  // The oldest have been shown out.
  await closed(strangers[0] as Socket);
  expect(strangers.filter((each) => !each.closed && !each.readableEnded).length).toBeGreaterThan(0);
  for (const each of strangers) each.destroy();
});

it("bounds what a false agent can make of its streams", async () => {
  // This one speaks for the agent: it answers an exec with whatever it likes.
  const dir = await startTestAgent();
  const path = join(dir.dir, "false.sock");
  await using listener = await listenForAgent({ path });
  const control = connect(path);
  control.write(encodeFrame(FRAME.hello, Buffer.from([WIRE_VERSION])));
  const agent = await listener.connected(10_000);
  const answer = async (...frames: Buffer[]) => {
    for (;;) {
      const [chunk] = (await once(control, "data")) as [Buffer];
      const open = chunk.indexOf(Buffer.from([FRAME.open, 0]));
      if (open < 0) continue;
      const token = chunk.subarray(open + 5, open + 21);
      const stream = connect(path);
      stream.on("error", () => {});
      stream.write(Buffer.concat([encodeFrame(FRAME.token, token), ...frames]));
      return { stream, token };
    }
  };
  const spec = { argv: ["x"], env: {}, workdir: "/" };
  const started = encodeFrame(FRAME.started, Buffer.alloc(4));
  const huge = encodeFrame(FRAME.stdout);
  huge.writeUInt32BE(0x7fff_ffff, 1);

  let exec = agent.exec(spec);
  await answer(huge);
  await expect(exec).rejects.toMatchObject({ code: "ECONNRESET" });

  exec = agent.exec(spec);
  await answer(started, encodeFrame(FRAME.stdinTaken, Buffer.from([255, 255, 255, 255])));
  expect(await (await exec).exited).toMatchObject({ signal: "SIGKILL" });

  // Output without end after the end.
  exec = agent.exec(spec);
  const { stream, token } = await answer(started);
  const process = await exec;
  control.write(encodeFrame(FRAME.exited, token));
  const flood = encodeFrame(FRAME.stdout, Buffer.alloc(64 << 10));
  const pump = () => {
    while (!stream.destroyed && stream.write(flood));
  };
  stream.on("drain", pump);
  pump();
  expect(await process.exited).toMatchObject({ signal: "SIGKILL" });
  process.close();

  const list = agent.files.list("/");
  await answer(encodeFrame(FRAME.entry, Buffer.from([1, 2, 3])));
  await expect(list).rejects.toThrow("The agent sent 3 bytes where");
  const read = agent.files.read("/x");
  await answer(encodeFrame(FRAME.stdout, Buffer.alloc(3)));
  await expect(read).rejects.toMatchObject({ code: "EPROTO" });
  const port = agent.connect(80);
  await answer(encodeFrame(FRAME.data, Buffer.alloc(3)));
  await expect(port).rejects.toMatchObject({ code: "EPROTO" });

  control.write(huge);
  await agent.gone;
  await expect(agent.exec(spec)).rejects.toThrow("The container's agent has gone");
  await dir[Symbol.asyncDispose]();
});

it("keeps its memory from programs inside", async () => {
  await using test = await startTestAgent();
  // Without CAP_SYS_PTRACE, as in every container.
  const drop = ["setpriv", "--bounding-set=-sys_ptrace,-dac_override,-dac_read_search", "--inh-caps=-all"];
  const process = await test.agent.exec({
    argv: [...drop, "sh", "-c", `head -c 1 /proc/${test.pid}/mem; ls -l /proc/${test.pid}/fd/3; echo $?`],
    env: { PATH: "/usr/bin:/bin" },
    workdir: "/",
  });
  expect((await finish(process)).stderr).toMatch(/[Pp]ermission denied/);
});

it("dies with its server, and all it started", async () => {
  await using test = await startTestAgent();
  const process = await shell(test.agent, "sleep 1000 & echo $!; wait");
  const { value } = await process.output[Symbol.asyncIterator]().next();
  const child = Number(Buffer.from(value.data).toString());
  await test.listener[Symbol.asyncDispose]();
  await test.ended;
  expect(await process.exited).toMatchObject({ signal: "SIGKILL" });
  await expect.poll(() => isAlive(child), { timeout: 10_000 }).toBe(false);
  await expect(test.agent.files.list("/")).rejects.toMatchObject({ code: "ECONNRESET", step: "agent" });
});

it("tells of its own death", async () => {
  await using test = await startTestAgent();
  const running = await shell(test.agent, "exec sleep 1000");
  const reading = await test.agent.files.read("/dev/zero");
  process.kill(test.pid, "SIGKILL");
  await test.agent.gone;
  expect(await running.exited).toMatchObject({ signal: "SIGKILL" });
  await expect(
    (async () => {
      for await (const _ of reading.data);
    })(),
  ).rejects.toMatchObject({ name: "AgentError" });
  await expect(test.agent.connect(80)).rejects.toMatchObject({ code: "ECONNRESET" });
  await expect.poll(() => isAlive(running.pid), { timeout: 10_000 }).toBe(false);
});

it("passes on the signal that it is told to go with, and goes when all have gone", async () => {
  await using test = await startTestAgent();
  const running = await shell(test.agent, "trap 'echo bye; exit 3' INT; echo up; while :; do sleep 0.05; done");
  const output = running.output[Symbol.asyncIterator]();
  await output.next();
  process.kill(test.pid, "SIGINT");
  expect(Buffer.from((await output.next()).value.data).toString()).toBe("bye\n");
  await test.ended;
});

it("finds the next server at the same path, which knows it by its secret", async () => {
  await using test = await startTestAgent({ surviveSeconds: 60 });
  const running = await shell(test.agent, "exec sleep 1000");
  await test.listener[Symbol.asyncDispose]();
  await expect.poll(() => isAlive(running.pid), { timeout: 10_000 }).toBe(false);
  const { secret } = test.listener;
  await using listener = await listenForAgent({ path: test.socket, secret, surviveSeconds: 60 });
  const agent = await listener.connected(10_000);
  expect(await finish(await shell(agent, "echo again"))).toMatchObject({ stdout: "again\n" });
});

it("leaves nothing behind: descriptors, processes, files", async () => {
  await using test = await startTestAgent();
  const descriptors = async () => (await readdir(`/proc/${test.pid}/fd`)).length;
  const children = () => readFileSync(`/proc/${test.pid}/task/${test.pid}/children`, "utf8").trim();
  const before = await descriptors();
  const ours = (await readdir("/proc/self/fd")).length;
  await Promise.all(
    Array.from({ length: 50 }, async (_, index) => {
      await finish(await shell(test.agent, "seq 1 1000; cat <&-; exit 1", index % 2 === 0 ? {} : { pty: { rows: 9, columns: 9 } }));
      (await shell(test.agent, "exec sleep 1000")).close();
      await test.agent.exec({ argv: ["/none"], env: {}, workdir: "/" }).catch(() => {});
      await test.agent.files.list("/");
      await test.agent.files.read("/none").catch(() => {});
      (await test.agent.files.watch("/")).close();
      await test.agent.connect(1).catch(() => {});
    }),
  );
  await expect.poll(descriptors, { timeout: 10_000 }).toBe(before);
  await expect.poll(children, { timeout: 10_000 }).toBe("");
  await expect.poll(async () => (await readdir("/proc/self/fd")).length, { timeout: 10_000 }).toBe(ours);
});
