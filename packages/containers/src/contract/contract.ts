// What every container host must do. An adapter runs it with the features it claims; what it cannot do is skipped by name.

import { execFileSync } from "node:child_process";
import { readlinkSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Container, ContainerHost, ContainerSpec, HostFeatures, Isolation } from "../host.ts";

import { adoptionContract } from "./adoption.ts";
import { directoriesContract } from "./directories.ts";
import { isolationContract } from "./isolation.ts";
import { networkPolicyContract } from "./network-policy.ts";
import { pauseContract } from "./pause.ts";
import { makeRootfs } from "./rootfs.ts";
import { sharedNetworkContract } from "./shared-network.ts";

export interface ContractOptions {
  readonly name: string;
  readonly features: HostFeatures;
  /** Of all containers. Default: the host's. */
  readonly isolation?: Isolation;
  create(stateDir: string): Promise<ContainerHost>;
  /** Distinguishes several runs on one adapter. */
  readonly variant?: string;
  /** Tests of the adapter's own. */
  more?(bench: Bench): void;
  /** Why the whole suite cannot run on this machine. */
  readonly skip?: string | undefined;
}

export interface Bench {
  host: ContainerHost;
  readonly dir: string;
  readonly stateDir: string;
  /** A specification that runs a shell line. */
  shell(line: string, more?: Partial<ContainerSpec>): ContainerSpec;
  /** Starts, reads all output, removes. */
  run(
    line: string,
    more?: Partial<ContainerSpec>,
  ): Promise<{ stdout: string; stderr: string; container: Container } & Awaited<Container["exited"]>>;
}

async function read(container: Pick<Container, "output">): Promise<{ stdout: string; stderr: string }> {
  const text = { stdout: [] as Uint8Array[], stderr: [] as Uint8Array[] };
  for await (const chunk of container.output) text[chunk.stream].push(chunk.data);
  return { stdout: Buffer.concat(text.stdout).toString(), stderr: Buffer.concat(text.stderr).toString() };
}

/** Reads until the text has been printed, and leaves the rest to nobody. */
export async function readUntil(container: Container, wanted: string): Promise<string> {
  let text = "";
  for await (const chunk of container.output) {
    text += Buffer.from(chunk.data).toString();
    if (text.includes(wanted)) break;
  }
  return text;
}

/** Declares a test, which is skipped by name where the feature is missing. */
export type Needs = (feature: keyof HostFeatures, behaviour: string, test: () => Promise<void>) => void;

/** Pids of the launchers of this process's host. */
export function launchersOf(stateDir: string): readonly number[] {
  const pids = execFileSync("pgrep", ["-P", String(process.pid), "-f", "launcher.*\\.sock"])
    .toString()
    .trim()
    .split("\n")
    .map(Number);
  return pids.filter((pid) => readlinkSync(`/proc/${pid}/cwd`) === stateDir);
}

let next = 0;
const newId = () => `test-${process.pid}-${next++}`;

export function hostContract(options: ContractOptions): void {
  if (options.skip !== undefined) console.warn(`The contract of the ${options.name} host is skipped: ${options.skip}`);
  describe.skipIf(options.skip !== undefined)(
    `the ${options.name} host${options.variant === undefined ? "" : ` on ${options.variant}`}`,
    () => {
      const bench = {} as { -readonly [K in keyof Bench]: Bench[K] };

      beforeAll(async () => {
        bench.dir = await mkdtemp(join(tmpdir(), "ly-contract-"));
        bench.stateDir = join(bench.dir, "state");
        await makeRootfs(join(bench.dir, "root"));
        bench.shell = (line, more) => ({
          id: newId(),
          layers: [join(bench.dir, "root")],
          command: ["/bin/sh", "-c", line],
          env: { PATH: "/usr/bin:/bin" },
          limits: {},
          network: "none",
          binds: [],
          ...(options.isolation !== undefined && { isolation: options.isolation }),
          ...more,
        });
        bench.run = async (line, more) => {
          const container = await bench.host.start(bench.shell(line, more));
          const text = await read(container);
          const exit = await container.exited;
          await container.remove();
          return { ...text, ...exit, container };
        };
        bench.host = await options.create(bench.stateDir);
      });

      afterAll(async () => {
        await bench.host?.[Symbol.asyncDispose]();
        if (bench.dir !== undefined) await rm(bench.dir, { recursive: true, force: true });
      });

      const needs: Needs = (feature, behaviour, test) => {
        const missing = !options.features[feature];
        it.skipIf(missing)(missing ? `has no ${feature}, so not: ${behaviour}` : behaviour, test);
      };

      it("claims the features it is tested for", () => {
        expect(bench.host.features).toEqual(options.features);
        expect(bench.host.name).toBe(options.name);
        expect(bench.host.runtime).toMatch(/^\w+ \d/);
      });

      it.each([0, 1, 42])("reports exit code %i", async (code) => {
        expect(await bench.run(`exit ${code}`)).toMatchObject({ code, oomKilled: false });
      });

      it("reports the signal that ended the main process", async () => {
        const container = await bench.host.start(bench.shell("echo up; exec sleep 1000"));
        await readUntil(container, "up");
        await container.signal("SIGKILL");
        expect(await container.exited).toEqual({ signal: "SIGKILL", oomKilled: false });
        await container.remove();
      });

      it("keeps stdout and stderr apart and in order", async () => {
        const result = await bench.run("for i in 1 2 3; do echo out$i; echo err$i >&2; done");
        expect(result).toMatchObject({ stdout: "out1\nout2\nout3\n", stderr: "err1\nerr2\nerr3\n" });
      });

      it("ends the output of a container that prints nothing", async () => {
        expect(await bench.run("true")).toMatchObject({ stdout: "", stderr: "", code: 0 });
      });

      it("loses nothing of 50 MB that a slow reader takes", async () => {
        const container = await bench.host.start(bench.shell("seq 1 7000000"));
        let bytes = 0;
        let tail = "";
        for await (const chunk of container.output) {
          bytes += chunk.data.byteLength;
          tail = Buffer.from(chunk.data.slice(-20)).toString();
          if (bytes % 16 === 0) await new Promise((resolve) => setImmediate(resolve));
        }
        expect(tail.endsWith("\n7000000\n")).toBe(true);
        // 9 numbers of 1 digit, 90 of 2, …, 6,000,001 of 7, a line feed each.
        expect(bytes).toBe(9 * 2 + 90 * 3 + 900 * 4 + 9_000 * 5 + 90_000 * 6 + 900_000 * 7 + 6_000_001 * 8);
        expect((await container.exited).code).toBe(0);
        await container.remove();
      });

      it("stops the writer while nobody reads", async () => {
        const container = await bench.host.start(bench.shell("seq 1 7000000"));
        const exit = await Promise.race([container.exited, new Promise<string>((resolve) => setTimeout(resolve, 1_000, "blocked"))]);
        expect(exit).toBe("blocked");
        await container.remove();
      });

      it("passes the environment and nothing else", async () => {
        const { stdout } = await bench.run('echo "$A|$LYDIAN_SECRET|"', { env: { PATH: "/usr/bin:/bin", A: "x y\n'\"z" } });
        expect(stdout).toBe("x y\n'\"z||\n");
      });

      it("gives the command no input to wait for", async () => {
        expect(await bench.run("cat; echo done")).toMatchObject({ stdout: "done\n" });
      });

      it("creates the working directory", async () => {
        const { stdout } = await bench.run("pwd", { workdir: "/made/here" });
        expect(stdout).toMatch(/\/made\/here\n$/);
      });

      it("shows binds to the command", async () => {
        const source = join(bench.dir, "bind");
        await mkdir(source, { recursive: true });
        await writeFile(join(source, "in"), "hello");
        const more = { env: { PATH: "/usr/bin:/bin", DATA: "/data/shared" }, binds: [{ source, target: "/data/shared", readOnly: false }] };
        expect(await bench.run('cat "$DATA/in" && echo bye >/data/shared/out', more)).toMatchObject({ stdout: "hello", code: 0 });
        expect(await readFile(join(source, "out"), "utf8")).toBe("bye\n");
      });

      it("sends SIGINT on stop and lets the process end in its own way", async () => {
        const container = await bench.host.start(bench.shell("trap 'exit 7' INT; echo up; while :; do sleep 0.05; done"));
        await readUntil(container, "up");
        expect(await container.stop(10_000)).toMatchObject({ code: 7 });
        await container.remove();
      });

      it("kills what outlives the grace period", async () => {
        const container = await bench.host.start(bench.shell("trap '' INT; echo up; while :; do sleep 0.05; done"));
        await readUntil(container, "up");
        expect(await container.stop(50)).toMatchObject({ signal: "SIGKILL" });
        await container.remove();
      });

      it("removes a running container, twice", async () => {
        const container = await bench.host.start(bench.shell("exec sleep 1000"));
        await Promise.all([container.remove(), container.remove()]);
        await container.remove();
        expect(await container.exited).toMatchObject({ signal: "SIGKILL" });
        await container.signal("SIGINT");
      });

      it("tells what a running container uses", async () => {
        const container = await bench.host.start(bench.shell("echo up; exec sleep 1000"));
        await readUntil(container, "up");
        const stats = await container.stats();
        expect(stats.memoryBytes).toBeGreaterThan(0);
        expect(stats.pids).toBeGreaterThan(0);
        await container.remove();
      });

      it("lets another process in, with the same environment, files and place", async () => {
        const more = { env: { PATH: "/usr/bin:/bin", A: "x y" }, workdir: "/made/here" };
        const container = await bench.host.start(bench.shell("echo up; exec sleep 1000", more));
        await readUntil(container, "up");
        const line = 'echo "$A"; pwd; echo err >&2; cat; exit 7';
        const entered = await container.enter({ command: ["/bin/sh", "-c", line] });
        const text = await read(entered);
        expect(text.stdout).toMatch(/^x y\n.*\/made\/here\n$/);
        expect(text.stderr).toBe("err\n");
        expect(await entered.exited).toEqual({ code: 7, oomKilled: false });
        await entered.close();
        const other = await container.enter({
          command: ["/bin/sh", "-c", 'echo "$A|$B"'],
          env: { PATH: "/usr/bin:/bin", B: "z" },
          workdir: "/",
        });
        expect((await read(other)).stdout).toBe("|z\n");
        await container.remove();
      });

      it("ends what has entered: alone, and with the container", async () => {
        const container = await bench.host.start(bench.shell("echo up; exec sleep 1000"));
        await readUntil(container, "up");
        const [first, second] = [
          await container.enter({ command: ["/bin/sh", "-c", "exec sleep 1000"] }),
          await container.enter({ command: ["/bin/sh", "-c", "exec sleep 1000"] }),
        ];
        await first.close();
        expect(await first.exited).toMatchObject({ signal: "SIGKILL" });
        await container.remove();
        expect(await second.exited).toMatchObject({ signal: "SIGKILL" });
        await expect(container.enter({ command: ["/bin/true"] })).rejects.toThrow(`Container ${container.id} has ended.`);
      });

      it("says why a process could not enter", async () => {
        const container = await bench.host.start(bench.shell("exec sleep 1000"));
        await expect(container.enter({ command: ["/does/not/exist"] })).rejects.toThrow(/\/does\/not\/exist could not be started/);
        await expect(container.enter({ command: [] })).rejects.toThrow("has no command");
        await container.remove();
      });

      it("says in a sentence why a container could not be started", async () => {
        const { host } = bench;
        await expect(host.start(bench.shell("", { command: ["/does/not/exist"] }))).rejects.toThrow(
          /could not be started.*\/does\/not\/exist/,
        );
        await expect(host.start(bench.shell("", { command: [] }))).rejects.toThrow(/has no command/);
        await expect(host.start(bench.shell("", { id: "../x" }))).rejects.toThrow(/container id "..\/x" must match/);
        await expect(host.start(bench.shell("", { limits: { memoryMiB: -1 } }))).rejects.toThrow(/limits.memoryMiB is -1/);
        await expect(host.start(bench.shell("", { binds: [{ source: "/does/not/exist", target: "/x", readOnly: true }] }))).rejects.toThrow(
          /bind source \/does\/not\/exist does not exist/,
        );
        await expect(host.start(bench.shell("", { binds: [{ source: "/tmp", target: "/a/../b", readOnly: true }] }))).rejects.toThrow(
          /bind target/,
        );
      });

      it("refuses a second container of the same id while the first exists", async () => {
        const spec = bench.shell("exec sleep 1000");
        const first = await bench.host.start(spec);
        await expect(bench.host.start(spec)).rejects.toThrow(`There is a container ${spec.id} already.`);
        await first.remove();
        await (await bench.host.start(spec)).remove();
      });

      it("starts 20 at once", async () => {
        const results = await Promise.all(Array.from({ length: 20 }, (_, index) => bench.run(`echo ${index}`)));
        expect(results.map((result) => result.stdout)).toEqual(Array.from({ length: 20 }, (_, index) => `${index}\n`));
      });

      it("survives the death of its launcher", async () => {
        await bench.host.warm(1);
        const container = await bench.host.start(bench.shell("echo up; exec sleep 1000"));
        await readUntil(container, "up");
        for (const pid of launchersOf(bench.stateDir)) process.kill(pid, "SIGKILL");
        expect(await container.exited).toMatchObject({ signal: "SIGKILL" });
        await container.remove();
        expect(await bench.run("echo again")).toMatchObject({ stdout: "again\n", code: 0 });
        await bench.host.warm(0);
      });

      needs("images", "runs on the layers, topmost first", async () => {
        const top = join(bench.dir, "top");
        await mkdir(join(top, "etc"), { recursive: true });
        await writeFile(join(top, "etc/passwd"), "from the top\n");
        expect(await bench.run("cat /etc/passwd", { layers: [top, join(bench.dir, "root")] })).toMatchObject({ stdout: "from the top\n" });
      });

      needs("images", "takes more layers than one mount option could name", async () => {
        const layers: string[] = [];
        for (let index = 0; index < 120; index++) {
          const layer = join(bench.dir, "many", `a-directory-name-that-is-quite-long-${index}`);
          await mkdir(layer, { recursive: true });
          await writeFile(join(layer, `file-${index}`), "");
          layers.push(layer);
        }
        const { stdout } = await bench.run("ls -d /file-* | wc -l", { layers: [...layers, join(bench.dir, "root")] });
        expect(stdout.trim()).toBe("120");
      });

      needs("images", "commits the writable layer, deletions included", async () => {
        const container = await bench.host.start(
          bench.shell("echo new >/etc/new; /bin/sh -c 'exec 2>/dev/null; unlink /etc/passwd' || mv /etc/passwd /tmp/x", {
            keepWritableLayer: true,
          }),
        );
        await read(container);
        await container.exited;
        const layer = join(bench.dir, "committed");
        await bench.host.commit(container, layer);
        await container.remove();
        expect(await readFile(join(layer, "etc/new"), "utf8")).toBe("new\n");
        expect(await bench.run("cat /etc/new", { layers: [layer, join(bench.dir, "root")] })).toMatchObject({ stdout: "new\n" });
      });

      needs("images", "gives each container its own writable layer", async () => {
        await bench.run("echo x >/etc/mine");
        expect(await bench.run("cat /etc/mine")).toMatchObject({ code: 1 });
      });

      needs("isolation", "makes a read-only bind read-only", async () => {
        const result = await bench.run("echo x >/data/bind/f", { binds: [{ source: bench.dir, target: "/data/bind", readOnly: true }] });
        expect(result.stderr).toMatch(/Read-only/);
      });

      needs("isolation", "shows no process of the machine, and no device but the harmless", async () => {
        const { stdout } = await bench.run("ls -d /proc/[0-9]* | wc -l; ls /dev");
        expect(Number.parseInt(stdout, 10)).toBeLessThan(6);
        expect(stdout).not.toMatch(/sda|vda|loop|mem\b|kvm/);
      });

      needs("isolation", "refuses mounts, device nodes, kernel settings and new namespaces", async () => {
        const { stdout } = await bench.run(
          "mount -t tmpfs x /tmp 2>/dev/null || echo no-mount; mknod /tmp/d b 7 0 2>/dev/null || echo no-device; { echo 1 >/proc/sys/kernel/printk; } 2>/dev/null || echo no-setting; unshare --user true 2>/dev/null || echo no-namespace",
        );
        expect(stdout).toBe("no-mount\nno-device\nno-setting\nno-namespace\n");
      });

      needs("isolation", "confines who enters like the main process", async () => {
        // Control groups, too: all lines but those that name the process itself.
        const facts =
          "grep -E '^(Cap|NoNewPrivs|Seccomp:|Seccomp_filters)' /proc/self/status; cat /proc/self/cgroup /proc/self/oom_score_adj; ls -1 /proc/self/ns/";
        const line = `{ ${facts}; for n in mnt net pid ipc uts; do stat -L -c %i /proc/self/ns/$n; done; }`;
        const container = await bench.host.start(bench.shell(`${line}; echo over; exec sleep 1000`));
        const main = await readUntil(container, "over\n");
        const entered = await container.enter({ command: ["/bin/sh", "-c", `${line}; echo over`] });
        const { stdout, stderr } = await read(entered);
        expect(stderr).toBe("");
        expect(stdout).toBe(main);
        expect(stdout).toMatch(/NoNewPrivs:\s*1/);
        expect(stdout).toMatch(/Seccomp:\s*2/);
        await container.remove();
      });

      needs("limits", "kills what exceeds the memory limit, and says so", async () => {
        const result = await bench.run("tail /dev/zero", { limits: { memoryMiB: 32 } });
        expect(result).toMatchObject({ oomKilled: true });
      });

      needs("limits", "tells an ordinary kill from an OOM kill", async () => {
        expect(await bench.run("kill -9 $$ ; sleep 0; exit 3", { limits: { memoryMiB: 64 } })).toMatchObject({ oomKilled: false });
      });

      needs("limits", "stops a fork bomb at the pids limit", async () => {
        const result = await bench.run("i=0; while [ $i -lt 100 ]; do sleep 1000 & i=$((i+1)); done; echo survived", {
          limits: { pids: 20 },
        });
        expect(result.stderr).toMatch(/fork/i);
        expect(result.stdout).toBe("");
      });

      needs("limits", "changes the limits of a running container", async () => {
        const go = await mkdtemp(join(bench.dir, "go-"));
        const container = await bench.host.start(
          bench.shell("while [ ! -e /data/go/now ]; do sleep 0.02; done; tail /dev/zero", {
            limits: { memoryMiB: 2_048 },
            binds: [{ source: go, target: "/data/go", readOnly: true }],
          }),
        );
        await container.update({ memoryMiB: 24, cpu: 1, pids: 50 });
        await expect(container.update({ diskMiB: 64 })).rejects.toThrow(/diskMiB cannot change/);
        await writeFile(join(go, "now"), "");
        await read(container);
        expect(await container.exited).toMatchObject({ oomKilled: true });
        await container.remove();
      });

      needs("diskLimit", "stops writes at the size of the writable layer", async () => {
        const result = await bench.run("head -c 100000000 /dev/zero >/data/big; echo $?; stat -c %s /data/big", {
          limits: { diskMiB: 32, memoryMiB: 64 },
        });
        expect(result.stderr).toMatch(/No space left/);
        const size = Number(result.stdout.trim().split("\n").at(-1));
        expect(size).toBeGreaterThan(16 * 1024 * 1024);
        expect(size).toBeLessThan(33 * 1024 * 1024);
        expect(result.oomKilled).toBe(false);
      });

      needs("networkIsolation", "has only loopback without a network", async () => {
        const { stdout } = await bench.run("cat /proc/net/dev");
        expect(stdout).toMatch(/lo:/);
        expect(stdout).not.toMatch(/eth0:/);
      });

      pauseContract(bench, needs);
      networkPolicyContract(bench, needs);
      directoriesContract(bench, needs);
      isolationContract(bench);
      sharedNetworkContract(bench, needs);
      adoptionContract(bench, needs, options.create);

      options.more?.(bench);
    },
  );
}
