// Sandboxes over restarts of the server, clean ones and kills at any point, as the official client sees them.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { hostTraces } from "../host-traces.ts";
import { startServer } from "../server-process.ts";
import { clientsFor, describeWithPython, TestServer } from "./clients.ts";

const why = process.platform === "linux" && process.getuid?.() === 0 ? undefined : "sandboxes that outlive the server need root on Linux";
if (why !== undefined) console.warn(`Restarts with sandboxes are skipped: ${why}.`);

describeWithPython("sandboxes over restarts of the server", () => {
  if (why !== undefined) {
    it.skip(why, () => {});
    return;
  }
  const server = new TestServer(() => ["--keep-sandboxes"]);
  const program = "sandbox_restarts.py";
  const [version] = clientsFor("rest");
  if (version === undefined) return;

  /** Processes of containers of this server: the runtimes, which name its directory. */
  const runtimes = () => hostTraces(server.dataDir).processes.filter((command) => /^(crun|runc) /.test(command));

  afterAll(async () => {
    await server.process.stop();
    // What a test that failed has left is ended by a server that keeps nothing.
    await (await startServer(server.dataDir)).stop();
    expect(hostTraces(server.dataDir)).toMatchObject({ mounts: [], processes: [] });
  });

  it.each(["read", "flow"])("are read on over a crash: %s", async (part) => {
    const client = await server.client(version);
    const run = client.startPython([program, part]);
    await run.printed("now\n");
    await server.process.crash();
    const { code, output } = await run.ended;
    expect(output).toContain("read all\n");
    expect(code, output).toBe(0);
  });

  it.each(["stopped", "killed"])("are found with all that is theirs by the next server when the first was %s", async (how) => {
    const client = await server.client(version);
    const left = await client.python([program, "leave"]);
    expect(left.code, left.output).toBe(0);
    const [id = ""] = JSON.parse(left.stdout) as string[];
    if (how === "stopped") expect(await server.process.stop()).toBe(0);
    else await server.process.killNine();
    expect(runtimes()).toHaveLength(1);
    await server.start();
    const found = await client.python([program, "find", id]);
    expect(found.stdout, found.output).toBe("found\n");
  });

  it("tell the truth after kills at any point of create, exec, snapshot and terminate, and leave nothing", async () => {
    const client = await server.client(version);
    const ids: string[] = [];
    for (const line of ["now\n", /^sb-\w+\n(.*\n)?$/m, /(sb-\w+\n){2}/, /(sb-\w+\n){3}/]) {
      const run = client.startPython([program, "many"]);
      await run.printed(line);
      await server.process.killNine();
      run.process.kill("SIGKILL");
      ids.push(...((await run.ended).stdout.match(/sb-\w+/g) ?? []));
      await server.start();
    }
    const judged = await client.python([program, "judge", ...ids]);
    expect(judged.stdout, judged.output).toMatch(/^true \d+ \d+\n$/);
    expect(judged.code, judged.output).toBe(0);
    await server.process.stop();
    expect(hostTraces(server.dataDir)).toMatchObject({ mounts: [], processes: [] });
    await server.start();
  });

  it("end at their time without a server, and say so later", async () => {
    const client = await server.client(version);
    const left = await client.python([program, "short"]);
    expect(left.code, left.output).toBe(0);
    await server.process.stop();
    await expect.poll(runtimes, { timeout: 60_000, interval: 200 }).toEqual([]);
    await server.start();
    const [id = ""] = JSON.parse(left.stdout) as string[];
    const { output } = await client.python([program, "how", id]);
    expect(output).toMatch(/timeout/i);
  });

  it("that have lost their first process meanwhile say so", async () => {
    const client = await server.client(version);
    const left = await client.python([program, "leave"]);
    expect(left.code, left.output).toBe(0);
    await server.process.killNine();
    process.kill(firstProcess(server.dataDir), "SIGKILL");
    await server.start();
    const [id = ""] = JSON.parse(left.stdout) as string[];
    const { output } = await client.python([program, "how", id]);
    expect(output).toMatch(/SandboxTerminatedError|no server was running/);
  });
});

/** Of the one container that there is: the child of its runtime. */
function firstProcess(dataDir: string): number {
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, "utf8");
      if (!/^(crun|runc)\0/.test(command) || !command.includes(join(dataDir, "host"))) continue;
      const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
      if (children !== "") return Number(children.split(" ")[0]);
    } catch {
      // It has ended.
    }
  }
  throw new Error("There is no container.");
}
