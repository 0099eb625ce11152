// What hostile code in a sandbox tries, on every level of isolation that this machine has. The attempts are in the Python files beside; those
// that need somebody outside are here.
import { execFile, execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { type Agent, type ContainerHost, createHost, ISOLATIONS, type Isolation, type Limits } from "@lydian/containers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { whyNotOci } from "../../../../containers/src/create-host.ts";
import type { StartedContainer } from "../sandbox.ts";
import { startContainer } from "../start-container.ts";
import { DRIVER, makeEscapeRootfs, PYTHON, python, whyNoPython } from "./rootfs.ts";

interface Outcome {
  readonly area: string;
  readonly name: string;
  readonly outcome: "refused" | "succeeded" | "odd";
  readonly detail: string;
}

const MIN_ATTEMPTS = 60;
const SHARED_KEY = 0x1ec0de;
const skip = process.getuid?.() === 0 ? (whyNotOci() ?? whyNoPython()) : "it needs root";
if (skip !== undefined) console.warn(`The escape suite is skipped: ${skip}`);

describe.skipIf(skip !== undefined)("hostile code", () => {
  const mark = `lydian-escape-${process.pid}`;
  let dir = "";
  let host: ContainerHost;
  let listener: Server;
  let hostPort = 0;
  const hostAddresses = Object.values(networkInterfaces())
    .flatMap((each) => each ?? [])
    .filter((each) => each.family === "IPv4" && !each.internal)
    .map((each) => each.address)
    .slice(0, 2);

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), "ly-escape-"));
    mkdirSync(join(dir, "sb"));
    await makeEscapeRootfs(join(dir, "root"));
    writeFileSync(join(dir, "secret"), "of the machine");
    writeFileSync(`/dev/shm/${mark}`, "of the machine");
    python(`import ctypes; assert ctypes.CDLL(None).shmget(${SHARED_KEY}, 4096, 0o1666) >= 0`);
    host = await createHost({ kind: "oci", stateDir: join(dir, "host") });
    listener = createServer((socket) => socket.end("the machine")).listen(0, "0.0.0.0");
    await new Promise((resolve) => listener.once("listening", resolve));
    hostPort = (listener.address() as { port: number }).port;
  });

  afterAll(async () => {
    listener?.close();
    await host?.[Symbol.asyncDispose]();
    rmSync(`/dev/shm/${mark}`, { force: true });
    execFileSync("ipcrm", ["-M", String(SHARED_KEY)]);
    rmSync(dir, { recursive: true, force: true });
  });

  const start = (isolation: Isolation, limits: Limits = {}): Promise<StartedContainer> =>
    startContainer({ layers: [join(dir, "root")], limits, network: "outbound", isolation }, { host, dir: join(dir, "sb") });

  it("succeeds with every attempt where nothing protects the machine, so that a refusal means something", async () => {
    // Namespaces alone, so that what succeeds is not the machine's: all capabilities, no filter, no masks.
    const script = `mount --bind ${dir}/root ${dir}/root && cd ${dir}/root && mkdir -p old && mount -t proc proc proc && mount -t sysfs sysfs sys &&
      mount --rbind /dev dev && mount -t tmpfs shm dev/shm && mount -t tmpfs tmp tmp && pivot_root . old && exec ${PYTHON} ${DRIVER} --control`;
    const { stdout } = await promisify(execFile)(
      "unshare",
      ["--mount", "--propagation", "private", "--pid", "--net", "--uts", "--ipc", "--fork", "sh", "-c", script],
      { env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" } },
    );
    const outcomes = read(stdout);
    expect(outcomes.length).toBeGreaterThan(40);
    // What this kernel does not have cannot be shown with it.
    expect(outcomes.filter(({ outcome, detail }) => outcome !== "succeeded" && detail !== "ENOSYS" && detail !== "ENODEV")).toEqual([]);
  });

  describe.each(ISOLATIONS)("isolated by %s", (isolation) => {
    const offered = (): boolean => host.features.isolations.includes(isolation);
    const when = (name: string, work: () => Promise<void>) =>
      it(name, async (context) => {
        if (!offered()) return context.skip(`this machine does not offer ${isolation}`);
        await work();
      });

    when("is refused whatever it tries", async () => {
      const neighbour = await start(isolation);
      const own = await start(isolation);
      expect(own.container.isolation).toBe(isolation);
      try {
        const neighbourPort = 4711;
        const serving = await neighbour.agent.exec(line(SERVING, { PORT: String(neighbourPort), MARK: mark }));
        const [ip = "", gateway = ""] = (await firstLine(serving.output)).split(" ");
        const facts = {
          hostPid: process.pid,
          hostPort,
          hostAddresses,
          hostFile: join(dir, "secret"),
          sharedFile: `/dev/shm/${mark}`,
          sharedKey: SHARED_KEY,
          neighbour: ip,
          neighbourPort,
          neighbourAbstract: mark,
          neighbourDir: join(dir, "host", "s"),
          gateway,
          abstract: mark,
        };
        const { stdout, stderr } = await finish(own.agent, [PYTHON, DRIVER], { ESCAPE_FACTS: JSON.stringify(facts) });
        expect(stderr).toBe("");
        const outcomes = read(stdout);
        expect(outcomes.length).toBeGreaterThanOrEqual(MIN_ATTEMPTS);
        expect(outcomes.filter(({ outcome }) => outcome !== "refused")).toEqual([]);
        // Neighbour and machine are as they were.
        expect((await finish(neighbour.agent, ["echo", "well"])).stdout).toBe("well\n");
        expect(readFileSync(join(dir, "secret"), "utf8")).toBe("of the machine");
      } finally {
        await Promise.all([own.remove(), neighbour.remove()]);
      }
    });

    when("cannot overwrite the program that started it", async () => {
      const programs = ["/usr/bin/crun", "/usr/sbin/runc"].flatMap((path) => sum(path) ?? []);
      const own = await start(isolation);
      try {
        // Whoever enters runs the link to itself as interpreter, while another process looks for the program that lets it in.
        const attack = await own.agent.exec(line(OVERWRITE, {}));
        await firstLine(attack.output);
        for (let i = 0; i < 5; i++) {
          const entered = await own.container.enter({ command: ["/tmp/entry"] }).catch(() => undefined);
          void drain(entered?.output);
          await entered?.exited;
          await entered?.close();
        }
        attack.signal("SIGTERM");
        await attack.exited;
        expect((await finish(own.agent, ["cat", "/tmp/written"])).stdout).toBe("");
        expect(["/usr/bin/crun", "/usr/sbin/runc"].flatMap((path) => sum(path) ?? [])).toEqual(programs);
      } finally {
        await own.remove();
      }
    });

    when("cannot lead the server's copies and mounts astray", async () => {
      const own = await start(isolation);
      const outside = join(dir, `outside-${isolation}`);
      mkdirSync(outside);
      writeFileSync(join(outside, "secret"), "of the machine");
      try {
        await finish(own.agent, [
          "sh",
          "-c",
          `mkdir -p /out && ln -s ${outside} /out/link && ln -s ../../../../../..${outside} /out/up && ln -s /proc/1/root /out/proc`,
        ]);
        for (const path of ["/out/link", "/out/up", `/out/proc${outside}`]) {
          await expect(host.commit(own.container, join(dir, "copied"), { directory: path })).rejects.toThrow(/could not be copied/);
          await expect(own.agent.files.read(Buffer.from(`${path}/secret`))).rejects.toThrow(/ENOENT|EACCES/);
        }
        if (host.features.mounts) await own.container.mount("/out/link/mounted", []).catch(() => undefined);
        expect(execFileSync("ls", [outside], { encoding: "utf8" })).toBe("secret\n");
      } finally {
        await own.remove();
      }
    });

    when("stays within its limits: processes, memory, files, output", async () => {
      const neighbour = await start(isolation);
      const own = await start(isolation, { pids: 100, memoryMiB: 192, diskMiB: 64 });
      try {
        const told = async (code: string) => (await finish(own.agent, [PYTHON, "-c", code])).stdout;
        expect(await told(FORK_BOMB)).toMatch(/^EAGAIN after ([1-9]|[1-9]\d)\n$/);
        expect(await told(FILL_DISK)).toMatch(/^ENOSPC after ([1-9]|[1-6]\d) MiB\n$/);
        expect(await told(MANY_FILES)).toMatch(/^ENOSPC\n$/);
        const flood = await own.agent.exec(line(FLOOD, {}));
        await flood.exited;
        expect(Number((await finish(own.agent, ["cat", "/dev/shm/flooded"])).stdout)).toBeLessThan(16);
        void drain(flood.output);
        const hungry = await finish(own.agent, [PYTHON, "-c", HUNGRY]).catch(() => ({ stdout: "", exit: { signal: "SIGKILL" } }));
        expect(hungry.stdout).not.toContain("had it");
        expect((await finish(neighbour.agent, ["echo", "well"])).stdout).toBe("well\n");
      } finally {
        await Promise.all([own.remove(), neighbour.remove()]);
      }
    });
  });
});

const SERVING = `
import os, socket, struct
a = socket.socket(socket.AF_UNIX); a.bind("\\0" + os.environ["MARK"]); a.listen()
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.bind(("0.0.0.0", int(os.environ["PORT"]))); s.listen()
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.connect(("192.0.2.1", 9)); ip = u.getsockname()[0]
socket.create_connection((ip, int(os.environ["PORT"])))
gateway = next((l.split()[2] for l in open("/proc/net/route") if l.split()[1] == "00000000"), "00000000")
print(ip, socket.inet_ntoa(struct.pack("<I", int(gateway, 16))), flush=True)
while True: s.accept()
`;

const OVERWRITE = `
import os
open("/tmp/written", "w").close()
with open("/tmp/entry", "w") as f: f.write("#!/proc/self/exe\\n")
os.chmod("/tmp/entry", 0o755)
print("ready", flush=True)
own = {os.path.realpath("/proc/self/exe"), "/__modal/.bin/lydian-agent"}
while True:
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            path = os.readlink(f"/proc/{pid}/exe")
            if path in own or path.startswith("/usr/bin/"): continue
            fd = os.open(f"/proc/{pid}/exe", os.O_PATH)
            os.write(os.open(f"/proc/self/fd/{fd}", os.O_WRONLY), b"#!/bin/sh\\n")
            open("/tmp/written", "a").write(path + "\\n")
        except OSError: pass
`;

const FORK_BOMB = `
import errno, os, signal
children = []
try:
    while len(children) < 5000:
        pid = os.fork()
        if pid == 0: signal.pause()
        children.append(pid)
    print("no end")
except OSError as error:
    print(errno.errorcode[error.errno], "after", len(children))
for pid in children: os.kill(pid, 9); os.waitpid(pid, 0)
`;

const FILL_DISK = `
import errno, os
written = 0
try:
    with open("/fill", "wb", buffering=0) as f:
        while written < 1000: f.write(bytes(1 << 20)); written += 1
    print("no end")
except OSError as error:
    print(errno.errorcode[error.errno], "after", written, "MiB")
os.unlink("/fill")
`;

const MANY_FILES = `
import errno, os, shutil
os.mkdir("/many")
try:
    for i in range(1_000_000): os.close(os.open(f"/many/{i}", os.O_CREAT | os.O_WRONLY))
    print("no end")
except OSError as error:
    print(errno.errorcode[error.errno])
shutil.rmtree("/many")
`;

const FLOOD = `
import os, select
os.set_blocking(1, False)
written = 0
# Nobody reads: it ends when nothing is taken any more for two seconds.
while written < 1 << 30 and select.select([], [1], [], 2)[1]: written += os.write(1, bytes(65536))
open("/dev/shm/flooded", "w").write(str(written >> 20))
`;

const HUNGRY = `
b = []
for i in range(1024): b.append(bytearray(b"x" * (1 << 20)))
print("had it")
`;

const ENV = { PATH: "/usr/bin:/bin", HOME: "/root" };
const line = (code: string, env: Record<string, string>) => ({ argv: [PYTHON, "-c", code], env: { ...ENV, ...env }, workdir: "/" });

function read(stdout: string): Outcome[] {
  return stdout
    .trim()
    .split("\n")
    .map((each) => JSON.parse(each) as Outcome);
}

function sum(path: string): string | undefined {
  try {
    return createHash("sha256").update(readFileSync(path)).digest("hex");
  } catch {
    return undefined;
  }
}

async function finish(agent: Agent, argv: readonly string[], env: Record<string, string> = {}) {
  const process = await agent.exec({ argv, env: { ...ENV, ...env }, workdir: "/" });
  const text = { stdout: "", stderr: "" };
  for await (const { stream, data } of process.output) text[stream] += Buffer.from(data).toString();
  return { ...text, exit: await process.exited };
}

async function firstLine(output: AsyncIterable<{ readonly data: Uint8Array }>): Promise<string> {
  let text = "";
  for await (const { data } of output) {
    text += Buffer.from(data).toString();
    if (text.includes("\n")) break;
  }
  return text.trim();
}

async function drain(output: AsyncIterable<unknown> | undefined): Promise<void> {
  if (output !== undefined) for await (const _ of output);
}
