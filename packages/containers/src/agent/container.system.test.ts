// The agent where it works: in containers, as their first process and let in later. The image holds nothing at all.

import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeRootfs } from "../contract/rootfs.ts";
import { whyNotOci } from "../create-host.ts";
import type { Container, ContainerHost } from "../host.ts";
import { createOciHost } from "../oci/oci-host.ts";
import { createProcessHost } from "../process/process-host.ts";
import type { Agent } from "./agent.ts";
import { type AgentListener, listenForAgent } from "./listener.ts";
import { agentProgram } from "./program.ts";
import { finish, shell } from "./testing.ts";

const PROGRAM = "/__modal/.bin/lydian-agent";
const SOCKETS = "/__modal/.run";
const skip = whyNotOci();
if (skip !== undefined) console.warn(`The agent is not tested in OCI containers: ${skip}`);

const hosts = [
  { name: "crun", create: (stateDir: string) => createOciHost({ stateDir, runtime: "crun" }) },
  { name: "runc", create: (stateDir: string) => createOciHost({ stateDir, runtime: "runc" }) },
  { name: "process", create: (stateDir: string) => createProcessHost({ stateDir }) },
];

describe.each(hosts)("the agent with the $name host", ({ name, create }) => {
  const isolated = name !== "process";
  if (isolated && skip !== undefined) return;
  let dir = "";
  let host: ContainerHost;
  let next = 0;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), "ly-agent-"));
    await mkdir(join(dir, "scratch"));
    await makeRootfs(join(dir, "root"));
    host = await create(join(dir, "state"));
  });
  afterAll(async () => {
    await host?.[Symbol.asyncDispose]();
    await rm(dir, { recursive: true, force: true });
  });

  async function start(layer: string, command: readonly string[]): Promise<{ container: Container; listener: AgentListener }> {
    const id = `agent-${process.pid}-${next++}`;
    const sockets = join(dir, id);
    await mkdir(sockets);
    const listener = await listenForAgent({ path: join(sockets, "agent.sock") });
    const container = await host.start({
      id,
      layers: [join(dir, layer)],
      command,
      env: { PATH: "/usr/bin:/bin" },
      limits: {},
      network: "none",
      binds: [
        { source: agentProgram(), target: PROGRAM, readOnly: true },
        { source: sockets, target: SOCKETS, readOnly: false },
      ],
    });
    return { container, listener };
  }
  const agentCommand = [PROGRAM, `${SOCKETS}/agent.sock`];

  async function withAgent(layer: string, work: (agent: Agent, container: Container) => Promise<void>): Promise<void> {
    const { container, listener } = await start(layer, agentCommand);
    try {
      await work(await listener.connected(20_000), container);
    } finally {
      await listener[Symbol.asyncDispose]();
      await container.remove();
    }
  }

  it("enters a container that runs something else", async () => {
    const { container, listener } = await start("root", ["/bin/sh", "-c", "exec sleep 1000"]);
    const entered = await container.enter({ command: agentCommand });
    const agent = await listener.connected(20_000);
    expect(await finish(await shell(agent, "echo inside"))).toMatchObject({ stdout: "inside\n", code: 0 });
    await listener[Symbol.asyncDispose]();
    // Without its server it goes.
    expect(await entered.exited).toMatchObject({ code: 0 });
    await container.remove();
  });

  it("goes with its container", async () => {
    await withAgent("root", async (agent, container) => {
      const running = await shell(agent, "exec sleep 1000");
      await container.remove();
      expect(await running.exited).toMatchObject({ signal: "SIGKILL" });
      await agent.gone;
    });
  });

  it("ends in its own time when the container is stopped", async () => {
    await withAgent("root", async (agent, container) => {
      const running = await shell(agent, "trap 'exit 5' INT; echo up; while :; do sleep 0.05; done");
      await running.output[Symbol.asyncIterator]().next();
      expect(await container.stop(10_000)).toMatchObject({ code: 0 });
    });
  });

  it.skipIf(!isolated)("needs nothing of the image", async () => {
    await withAgent("scratch", async (agent) => {
      await expect(agent.exec({ argv: ["sh"], env: {}, workdir: "/" })).rejects.toMatchObject({ code: "ENOENT", step: "exec" });
      // The only program there is: without its argument it says how it is used.
      const process = await agent.exec({ argv: [PROGRAM], env: {}, workdir: "/__modal" });
      expect(await finish(process)).toMatchObject({ stderr: "usage: lydian-agent SOCKET\n", code: 2 });
      const pty = await agent.exec({ argv: [PROGRAM], env: {}, workdir: "/", pty: { rows: 5, columns: 50 } });
      expect(await finish(pty)).toMatchObject({ stdout: "usage: lydian-agent SOCKET\r\n", code: 2 });
      await agent.files.write("/a/b", Buffer.from("content"));
      expect(await agent.files.stat("/a/b")).toMatchObject({ size: 7, owner: "0", group: "0" });
      expect((await agent.files.list("/a")).map((entry) => entry.name.toString())).toEqual(["b"]);
      await expect(agent.connect(80)).rejects.toMatchObject({ code: "ECONNREFUSED" });
    });
  });

  it.skipIf(!isolated)("is the first process, and reaps what nobody else does", async () => {
    await withAgent("root", async (agent) => {
      // A grandchild whose parent ends is given to the first process; it becomes no zombie.
      const { stdout } = await finish(await shell(agent, "sh -c 'sleep 0.05 & echo $!'"));
      const orphan = stdout.trim();
      const gone = `while [ -e /proc/${orphan} ]; do sleep 0.02; done; cat /proc/1/status`;
      expect((await finish(await shell(agent, gone))).stdout).toMatch(/^Name:\s*lydian-agent/);
      const loud = await finish(await shell(agent, "kill -9 1; kill -TERM $$"));
      expect(loud).toMatchObject({ signal: "SIGTERM" });
      // Its memory is closed to root inside.
      const spied = await finish(await shell(agent, "head -c 1 /proc/1/mem; cat /proc/1/environ; ls -d /proc/1/cwd/ /proc/1/root/bin"));
      expect(spied.stdout).toBe("");
    });
  });

  it.skipIf(!isolated)("stays inside, whatever links and paths say", async () => {
    await writeFile(join(dir, "outside"), "secret");
    await symlink(join(dir, "outside"), join(dir, "root/absolute"));
    await symlink(`${"../".repeat(30)}${dir.slice(1)}/outside`, join(dir, "root/relative"));
    await symlink("/", join(dir, "root/slash"));
    await withAgent("root", async (agent) => {
      for (const path of ["/absolute", "/relative", `/../..${dir}/outside`, `/proc/1/root${dir}/outside`, `/slash/..${dir}/outside`]) {
        await expect(agent.files.read(path)).rejects.toMatchObject({ code: expect.stringMatching(/ENOENT|EACCES/) });
      }
      // A write through the link makes the file inside.
      await agent.files.write("/absolute", Buffer.from("mine"));
      expect((await agent.files.stat("/absolute")).type).toBe("symlink");
      expect((await agent.files.stat("/absolute", { follow: true })).size).toBe(4);
      expect(await readFile(join(dir, "outside"), "utf8")).toBe("secret");
      await agent.files.write("/etc/group", Buffer.from("wheel:x:0:\n"));
      expect(await agent.files.stat("/etc/group")).toMatchObject({ owner: "root", group: "wheel" });
      await expect(agent.files.write(PROGRAM, Buffer.from("x"))).rejects.toMatchObject({
        code: expect.stringMatching(/EROFS|ETXTBSY|EBUSY/),
      });
    });
  });

  it.skipIf(!isolated)("has terminals of the container's own", async () => {
    await withAgent("root", async (agent) => {
      const line = "cat /proc/self/stat; ls -l /proc/self/fd/0";
      const { stdout } = await finish(await shell(agent, line, { pty: { rows: 24, columns: 80 } }));
      expect(stdout).toMatch(/-> \/dev\/pts\/0\r\n$/);
    });
  });
});
