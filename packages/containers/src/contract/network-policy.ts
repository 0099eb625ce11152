// What every container host must do that can restrict networks: against servers in a network namespace made for it, which hangs on
// the network of the containers' host.

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { mkdtemp, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { expect } from "vitest";
import type { Container, NetworkPolicy } from "../host.ts";
import { type Bench, launchersOf, type Needs, readUntil } from "./contract.ts";

/** Reserved for measurements between networks: nobody's. The third byte makes two runs at once possible. */
const NET = `198.18.${process.pid % 250}`;
/** Where the name server of the test listens; the host under test must ask it. */
export const OUTSIDE_RESOLVER = `${NET}.2:5300`;
const PORT = 7000;

interface Outside extends AsyncDisposable {
  /** Answered for by the test's name server as a.allowed.test, and b.allowed.test. */
  readonly a: string;
  readonly b: string;
  /** Has no name. */
  readonly c: string;
}

/** Makes the namespace, its link to the launcher's network, and the servers in it. */
export async function openOutside(bench: Bench): Promise<Outside> {
  const program = join(bench.dir, "outside.mjs");
  await build({
    entryPoints: [fileURLToPath(new URL("./outside.ts", import.meta.url))],
    outfile: program,
    bundle: true,
    platform: "node",
    format: "esm",
    logLevel: "error",
    banner: { js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);' },
  });
  const [launcher] = launchersOf(bench.stateDir);
  const link = `tt${process.pid}`;
  const inLauncher = [`--net=/proc/${launcher}/ns/net`, "ip"];
  const script = `set -e
nsenter ${inLauncher.join(" ")} link add ${link} type veth peer name out netns $$
nsenter ${inLauncher.join(" ")} address add ${NET}.1/24 dev ${link}
nsenter ${inLauncher.join(" ")} link set ${link} up
ip link set lo up
for each in 2 3 4; do ip address add ${NET}.$each/24 dev out; done
ip link set out up
exec "$@"`;
  const child = spawn("unshare", ["--net", "sh", "-c", script, "sh", process.execPath, program, `${NET}.2`, `${NET}.3`, String(PORT)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await firstLine(child);
  return {
    a: `${NET}.2`,
    b: `${NET}.3`,
    c: `${NET}.4`,
    async [Symbol.asyncDispose]() {
      const ended = once(child, "exit");
      child.kill("SIGKILL");
      await ended;
      // The kernel would take it apart a moment later, and the next of the same name may be made before.
      spawnSync("nsenter", [...inLauncher, "link", "delete", link]);
    },
  };
}

async function firstLine(child: ChildProcess): Promise<string> {
  if (child.stdout === null) throw new Error("The servers have no stdout.");
  const [line] = (await Promise.race([
    once(createInterface({ input: child.stdout }), "line"),
    once(child, "exit").then(() => {
      throw new Error("The servers of the test did not start.");
    }),
  ])) as [string];
  return line;
}

/** Prints "open", "refused" (also by a rule) or "silent" for an address, "unknown" for a name that does not exist. */
const probe = (host: string) =>
  `o=$(timeout 4 bash -c 'exec 3<>/dev/tcp/${host}/${PORT} && head -c 2 <&3' 2>&1); case $? in 0) echo open;; 124) echo silent;; *) case "$o" in *"ame or service"*|*"ame resolution"*) echo unknown;; *) echo refused;; esac;; esac`;

/** A container that probes what is written to it. */
async function prober(
  bench: Bench,
  network: NetworkPolicy,
): Promise<{ container: Container; probe(...hosts: string[]): Promise<string[]> }> {
  const dir = await mkdtemp(join(bench.dir, "probe-"));
  const loop = "i=0; echo up; while :; do while [ ! -e /data/go/$i ]; do sleep 0.01; done; . /data/go/$i; echo end-$i; i=$((i+1)); done";
  const container = await bench.host.start(bench.shell(loop, { network, binds: [{ source: dir, target: "/data/go", readOnly: true }] }));
  let next = 0;
  const output = container.output[Symbol.asyncIterator]();
  let text = "";
  const until = async (wanted: string) => {
    while (!text.includes(wanted)) {
      const chunk = await output.next();
      if (chunk.done === true) throw new Error(`The container ended: ${text}`);
      text += Buffer.from(chunk.value.data).toString();
    }
    const found = text.slice(0, text.indexOf(wanted));
    text = text.slice(text.indexOf(wanted) + wanted.length);
    return found;
  };
  await until("up\n");
  return {
    container,
    async probe(...hosts) {
      await writeFile(
        join(dir, "new"),
        [...hosts.map((host, index) => `(${probe(host)}) >/tmp/${index} &`), "wait", ...hosts.map((_, index) => `cat /tmp/${index}`)].join(
          "\n",
        ),
      );
      await rename(join(dir, "new"), join(dir, String(next)));
      return (await until(`end-${next++}\n`)).trim().split("\n");
    },
  };
}

export function networkPolicyContract(bench: Bench, needs: Needs): void {
  needs("networkPolicy", "changes what a container reaches while it runs: open, blocked, ranges", async () => {
    await using outside = await openOutside(bench);
    const { a, b, c } = outside;
    const inside = await prober(bench, "outbound");
    expect(await inside.probe(a, b, c)).toEqual(["open", "open", "open"]);
    await inside.container.setNetwork("blocked");
    expect(await inside.probe(a, b)).toEqual(["refused", "refused"]);
    await inside.container.setNetwork({ cidrs: [`${b}/32`, c, "::/0"], domains: [] });
    expect(await inside.probe(a, b, c)).toEqual(["refused", "open", "open"]);
    await inside.container.setNetwork({ cidrs: [`${a}/31`], domains: [] });
    expect(await inside.probe(a, b, c)).toEqual(["open", "open", "refused"]);
    await inside.container.setNetwork({ cidrs: [], domains: [] });
    expect(await inside.probe(a)).toEqual(["refused"]);
    await inside.container.setNetwork("outbound");
    expect(await inside.probe(a)).toEqual(["open"]);
    await expect(inside.container.setNetwork({ cidrs: ["x"], domains: [] })).rejects.toThrow('"x" is no address range');
    expect(await inside.probe(a)).toEqual(["open"]);
    await inside.container.remove();
  });

  needs("networkPolicy", "starts with a policy, and gives its link's rules to nobody else", async () => {
    await using outside = await openOutside(bench);
    const blocked = await prober(bench, "blocked");
    const some = await prober(bench, { cidrs: [outside.b], domains: [] });
    const free = await prober(bench, "outbound");
    expect(await blocked.probe(outside.a)).toEqual(["refused"]);
    expect(await some.probe(outside.a, outside.b)).toEqual(["refused", "open"]);
    await some.container.remove();
    await blocked.container.remove();
    expect(await free.probe(outside.a, outside.b)).toEqual(["open", "open"]);
    await free.container.remove();
  });

  needs("networkPolicy", "answers allowed names only, and opens only what it has answered", async () => {
    await using outside = await openOutside(bench);
    const { a, b, c } = outside;
    const inside = await prober(bench, { cidrs: [], domains: ["a.allowed.test", "*.deep.allowed.test"] });
    // Not before somebody has asked for its name.
    expect(await inside.probe(a)).toEqual(["refused"]);
    expect(await inside.probe("a.allowed.test")).toEqual(["open"]);
    expect(await inside.probe(a, b, c)).toEqual(["open", "refused", "refused"]);
    expect(await inside.probe("b.allowed.test", "deep.allowed.test", "nowhere.deep.allowed.test")).toEqual([
      "unknown",
      "unknown",
      "unknown",
    ]);
    expect(await inside.probe("x.y.deep.allowed.test")).toEqual(["open"]);
    expect(await inside.probe(b)).toEqual(["open"]);
    // Another name server is not reached either: every query ends at ours.
    await inside.container.setNetwork({ cidrs: [], domains: ["b.allowed.test"] });
    expect(await inside.probe(a, "a.allowed.test", "b.allowed.test")).toEqual(["refused", "unknown", "open"]);
    await inside.container.setNetwork({ cidrs: [a], domains: ["b.allowed.test"] });
    // The same names: what they opened stays open.
    expect(await inside.probe(a, b)).toEqual(["open", "open"]);
    await inside.container.setNetwork("blocked");
    expect(await inside.probe("b.allowed.test", b)).toEqual(["unknown", "refused"]);
    await inside.container.remove();
  });

  needs("networkPolicy", "does not open the machine, metadata or another container because a name leads there", async () => {
    await using _outside = await openOutside(bench);
    const peer = await bench.host.start(bench.shell("cat /proc/net/fib_trie; echo up; exec sleep 1000", { network: "outbound" }));
    const table = await readUntil(peer, "up");
    const address = /\|-- (10\.\d+\.\d+\.\d+)\s+\/32 host LOCAL/.exec(table)?.[1] ?? "";
    const subnet = readFileSync(join(bench.stateDir, "subnet"), "utf8");
    const gateway = subnet.replace(/\.0\/20\s*$/, ".1");
    const inside = await prober(bench, { cidrs: ["0.0.0.0/0"], domains: ["*.evil.test"] });
    const names = ["169.254.169.254", address, gateway, "127.0.0.53"].map((each) => `${each.replaceAll(".", "-")}.evil.test`);
    const [metadata, other, machine, loopback] = await inside.probe(...names);
    expect({ metadata, other, machine }).toEqual({ metadata: "silent", other: "silent", machine: "silent" });
    // Its own loopback, where nobody listens.
    expect(loopback).toBe("refused");
    await inside.container.remove();
    await peer.remove();
  });

  needs("networkPolicy", "says that a container without a network cannot be given one", async () => {
    const container = await bench.host.start(bench.shell("exec sleep 1000"));
    await expect(container.setNetwork("outbound")).rejects.toThrow("was started without a network");
    await container.remove();
    await expect(bench.host.start(bench.shell("true", { network: { cidrs: [], domains: ["a b"] } }))).rejects.toThrow('"a b" is no domain');
  });
}
