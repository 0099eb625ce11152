import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { describe, expect, it } from "vitest";
import { type Bench, hostContract, readUntil } from "../contract/contract.ts";
import { OUTSIDE_RESOLVER } from "../contract/network-policy.ts";
import { makeRootfs } from "../contract/rootfs.ts";
import { countTraces, type Traces } from "../contract/traces.ts";
import { whyNotOci } from "../create-host.ts";
import type { Isolation } from "../host.ts";
import { inUserNamespace } from "../rootless/user-namespace.ts";
import { findHostTool } from "./host-tool.ts";
import { createOciHost } from "./oci-host.ts";
import type { RuntimeName } from "./runtimes.ts";

const rootless = inUserNamespace();
const features = {
  isolations: rootless || findHostTool() === undefined ? (["namespaces"] as const) : (["namespaces", "user-namespace"] as const),
  isolation: true,
  limits: !rootless,
  diskLimit: !rootless,
  images: true,
  networkIsolation: true,
  pause: true,
  networkPolicy: true,
  snapshots: findHostTool() !== undefined,
  mounts: findHostTool() !== undefined,
  adoption: !rootless,
  sharedNetwork: !rootless,
};

const NOTHING: Traces = { mounts: 0, links: 0, loops: 0, cgroups: 0, processes: 0, files: 0 };
/** What an open host without containers has: its launcher. */
const QUIET: Traces = { ...NOTHING, processes: 1 };

/** The kernel takes network namespaces apart in the background, a moment after their last process has ended. */
async function expectTraces(stateDir: string, wanted: Traces): Promise<void> {
  await expect.poll(() => countTraces(stateDir), { timeout: 10_000, interval: 100 }).toEqual(wanted);
}

/** Prints "open" or "closed". A dropped packet has no answer, so the attempt is bounded. */
const probe = (address: string, port: number) =>
  `timeout 1 bash -c 'echo >/dev/tcp/${address}/${port}' 2>/dev/null && echo open || echo closed`;

async function withListener(work: (port: number) => Promise<void>): Promise<void> {
  const server = createServer((socket) => socket.end("hi"));
  await new Promise<void>((resolve) => server.listen(0, "0.0.0.0", resolve));
  const address = server.address();
  try {
    await work(typeof address === "object" && address !== null ? address.port : 0);
  } finally {
    server.close();
  }
}

async function bundle(source: URL, outfile: string): Promise<string> {
  await build({
    entryPoints: [fileURLToPath(source)],
    outfile,
    bundle: true,
    platform: "node",
    format: "esm",
    external: ["esbuild"],
    logLevel: "error",
  });
  return outfile;
}

function ociTests(runtime: RuntimeName, bench: Bench): void {
  it("cannot reach the machine on any of its addresses", async () => {
    await withListener(async (port) => {
      const own = Object.values(networkInterfaces())
        .flatMap((each) => each ?? [])
        .filter((each) => each.family === "IPv4")
        .map((each) => each.address);
      const subnet = await readFile(join(bench.stateDir, "subnet"), "utf8");
      const addresses = [...own, subnet.replace(/\.0\/20\s*$/, ".1")];
      const { stdout } = await bench.run(`${addresses.map((address) => `(${probe(address, port)}) &`).join(" ")} wait`, {
        network: "outbound",
      });
      expect(stdout).toBe(addresses.map(() => "closed\n").join(""));
      // The same attempt from the machine itself shows that the listener is there.
      expect(execFileSync("bash", ["-c", probe(own[0] ?? "127.0.0.1", port)]).toString()).toBe("open\n");
    });
  });

  it("cannot reach another container", async () => {
    const peer = await bench.host.start(bench.shell("cat /proc/net/fib_trie; echo up; exec sleep 1000", { network: "outbound" }));
    const table = await readUntil(peer, "up");
    const address = /\|-- (10\.\d+\.\d+\.\d+)\s+\/32 host LOCAL/.exec(table)?.[1];
    expect(address).toBeDefined();
    const { stdout } = await bench.run(`timeout 1 bash -c 'echo >/dev/tcp/${address}/9' 2>&1; echo $?`, { network: "outbound" });
    // 124: no answer at all. A reachable peer would have refused at once.
    expect(stdout.trim().split("\n").at(-1)).toBe("124");
    await peer.remove();
  });

  it("leaves nothing after 20 parallel containers", async () => {
    await Promise.all(
      Array.from({ length: 20 }, () => bench.run("echo x >/etc/x; exit 3", { network: "outbound", limits: { diskMiB: 64 } })),
    );
    await expectTraces(bench.stateDir, QUIET);
  });

  it("leaves nothing after a start that failed", async () => {
    await expect(bench.host.start(bench.shell("", { command: ["/nope"] }))).rejects.toThrow("/nope");
    await expect(bench.host.start(bench.shell("", { workdir: "/bin/sh" }))).rejects.toThrow(runtime);
    await expectTraces(bench.stateDir, QUIET);
  });

  it("keeps prepared slots ready and replaces the used ones", async () => {
    // Each is a shell that waits.
    const shells = async () => (await countTraces(bench.stateDir)).processes - QUIET.processes;
    await bench.host.warm(2);
    await expect.poll(shells, { timeout: 10_000 }).toBe(2);
    await bench.run("true");
    await bench.host.warm(2);
    await expect.poll(shells, { timeout: 10_000 }).toBe(2);
    await bench.host.warm(0);
    await expectTraces(bench.stateDir, QUIET);
  });

  it("leaves the machine as it was when it is closed", async () => {
    const stateDir = join(bench.dir, "other");
    const host = await createOciHost({ stateDir, runtime });
    await host.warm(2);
    await host.start(bench.shell("exec sleep 1000", { keepWritableLayer: true }));
    const subnet = (await readFile(join(stateDir, "subnet"), "utf8")).trim();
    await host[Symbol.asyncDispose]();
    await expectTraces(stateDir, NOTHING);
    // Without root the routes were in a network that is gone.
    if (rootless) return;
    expect(execFileSync("ip", ["route"]).toString()).not.toContain(`blackhole ${subnet}`);
  });

  it.each(["the server", "the server and its launcher"])("finds and removes what is left when %s is killed", async (who) => {
    const stateDir = join(bench.dir, `killed-${who.length}`);
    const launcher = await bundle(new URL("../launcher/main.ts", import.meta.url), join(bench.dir, "launcher.mjs"));
    const owner = await bundle(new URL("../contract/owner.ts", import.meta.url), join(bench.dir, "owner.mjs"));
    const child = spawn(process.execPath, [owner, stateDir, launcher, join(bench.dir, "root"), runtime], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const ended = once(child, "exit");
    await once(child.stdout, "data");
    const found = execFileSync("sh", ["-c", `pgrep -f "${launcher} launcher-${child.pid}-[0-9a-z]*.sock$"`]).toString();
    const launchers = found.trim().split("\n").map(Number);
    child.kill("SIGKILL");
    if (who.includes("launcher")) for (const pid of launchers) process.kill(pid, "SIGKILL");
    await ended;
    const host = await createOciHost({ stateDir, runtime });
    const kept = await host.adopt("kept");
    expect(kept === undefined).toBe(!host.features.adoption);
    if (kept !== undefined) expect(await kept.stop(10_000)).toMatchObject({ code: 7 });
    await kept?.remove();
    expect(await host.sweep()).toEqual(expect.arrayContaining(["left-1", "left-2"]));
    await expectTraces(stateDir, QUIET);
    expect(await host.sweep()).toEqual([]);
    await host[Symbol.asyncDispose]();
  });
}

describe.skipIf(whyNotOci() !== undefined)("an oci host of which isolation is demanded", () => {
  it.skipIf(!features.isolations.includes("user-namespace" as never))("starts nothing weaker", async () => {
    const dir = await mkdtemp(join(tmpdir(), "ly-demand-"));
    await makeRootfs(join(dir, "root"));
    const host = await createOciHost({ stateDir: join(dir, "state"), isolation: "user-namespace" });
    expect(host.features.isolations).toEqual(["user-namespace"]);
    const container = await host.start({
      id: "demand-1",
      layers: [join(dir, "root")],
      command: ["cat", "/proc/self/uid_map"],
      env: { PATH: "/usr/bin:/bin" },
      limits: {},
      network: "none",
      binds: [],
      isolation: "namespaces",
    });
    expect(container.isolation).toBe("user-namespace");
    expect(await readUntil(container, "65536")).toMatch(/^ +0 +\d{9} +65536$/m);
    await host[Symbol.asyncDispose]();
    await rm(dir, { recursive: true });
  });

  it("is refused where there is nothing that is enough, with the reason", async () => {
    const dir = await mkdtemp(join(tmpdir(), "ly-demand-"));
    await expect(createOciHost({ stateDir: dir, isolation: "gvisor" })).rejects.toThrow(
      /The isolation "gvisor" is demanded, and .* namespaces/,
    );
    await rm(dir, { recursive: true });
  });
});

const variants: readonly (readonly [RuntimeName, Isolation])[] = [
  ["crun", "namespaces"],
  ...(rootless ? [] : ([["runc", "namespaces"]] as const)),
  ...features.isolations.filter((each) => each === "user-namespace").map((each) => ["crun", each] as const),
];
for (const [runtime, isolation] of variants) {
  hostContract({
    name: "oci",
    variant: isolation === "namespaces" ? runtime : `${runtime} with a ${isolation}`,
    isolation,
    features,
    create: (stateDir) => createOciHost({ stateDir, runtime, resolvers: [OUTSIDE_RESOLVER] }),
    skip: whyNotOci(),
    more: (bench) => ociTests(runtime, bench),
  });
}
