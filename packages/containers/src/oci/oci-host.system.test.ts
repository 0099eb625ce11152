import { createServer } from "node:net";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import { type Bench, hostContract, readUntil } from "../contract/contract.ts";
import { countTraces } from "../contract/traces.ts";
import { whyNotOci } from "../create-host.ts";
import { createOciHost } from "./oci-host.ts";

const features = { isolation: true, limits: true, diskLimit: true, images: true, networkIsolation: true };

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

for (const runtime of ["crun", "runc"] as const) {
  hostContract(
    { name: "oci", features, create: (stateDir) => createOciHost({ stateDir, runtime }), skip: whyNotOci() },
    (bench: Bench, it) => {
      it("cannot reach the machine on any of its addresses", async () => {
        await withListener(async (port) => {
          const own = Object.values(networkInterfaces())
            .flatMap((each) => each ?? [])
            .filter((each) => each.family === "IPv4")
            .map((each) => each.address);
          // The container's own end of the link tells the machine's end.
          const gateway =
            "$(while read -r i d g r; do [ $d = 00000000 ] && echo $((0x${g#??????})).$((0x$(echo $g | { read -r x; y=${x#????}; echo ${y%??}; }))).$((0x$(echo $g | { read -r x; y=${x#??}; echo ${y%????}; }))).$((0x${g%??????})); done </proc/net/route)";
          const script = [
            ...own.map((address) => probe(address, port)),
            `G=${gateway}; echo $G; timeout 1 bash -c "echo >/dev/tcp/$G/${port}" 2>/dev/null && echo open || echo closed`,
          ];
          const { stdout } = await bench.run(script.join("; "), { network: "outbound" });
          expect(stdout).toMatch(/^(closed\n)+\d+\.\d+\.\d+\.1\nclosed\n$/);
        });
      });

      it("cannot reach another container", async () => {
        const peer = await bench.host.start(
          bench.shell("while read -r a b; do case $a in *) ;; esac; done </dev/null; cat /proc/net/fib_trie; echo up; exec sleep 1000", {
            network: "outbound",
          }),
        );
        const table = await readUntil(peer, "up");
        const address = /\|-- (10\.\d+\.\d+\.(?!0\b|1\b)\d+)\s+\/32 host LOCAL/.exec(table)?.[1];
        expect(address).toBeDefined();
        const { stdout } = await bench.run(`timeout 1 bash -c 'echo >/dev/tcp/${address}/9' 2>&1; echo $?`, { network: "outbound" });
        // 124: no answer at all. A reachable peer would have refused at once.
        expect(stdout.trim().split("\n").at(-1)).toBe("124");
        await peer.remove();
      });

      it("leaves nothing after 20 parallel containers", async () => {
        const before = await countTraces(bench.stateDir);
        await Promise.all(
          Array.from({ length: 20 }, () => bench.run("echo x >/etc/x; exit 3", { network: "outbound", limits: { diskMiB: 64 } })),
        );
        expect(await countTraces(bench.stateDir)).toEqual(before);
      });

      it("leaves nothing after a start that failed", async () => {
        const before = await countTraces(bench.stateDir);
        await expect(bench.host.start(bench.shell("", { command: ["/nope"] }))).rejects.toThrow("/nope");
        await expect(bench.host.start(bench.shell("", { workdir: "/bin/sh" }))).rejects.toThrow(runtime);
        expect(await countTraces(bench.stateDir)).toEqual(before);
      });

      it("keeps prepared slots ready and replaces the used ones", async () => {
        await bench.host.warm(2);
        await bench.run("true");
        await bench.host.warm(2);
        await bench.host.warm(0);
      });

      it("leaves the machine as it was when it is closed", async () => {
        const stateDir = join(bench.dir, "other");
        const before = await countTraces(bench.dir);
        const host = await createOciHost({ stateDir, runtime });
        await host.warm(2);
        await host.start(bench.shell("exec sleep 1000", { keepWritableLayer: true }));
        await host[Symbol.asyncDispose]();
        const { files: _, ...left } = await countTraces(bench.dir);
        expect(before).toMatchObject(left);
      });
    },
  );
}
