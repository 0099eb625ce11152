// What every container host must do whose containers can outlive it.

import { mkdtemp, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "vitest";
import type { Container, ContainerHost, ContainerSpec, EnteredProcess } from "../host.ts";
import { type Bench, type Needs, readUntil } from "./contract.ts";
import { openOutside } from "./network-policy.ts";
import { countTraces, type Traces } from "./traces.ts";

const NOTHING: Traces = { mounts: 0, links: 0, loops: 0, cgroups: 0, processes: 0, files: 0 };

export function adoptionContract(bench: Bench, needs: Needs, create: (stateDir: string) => Promise<ContainerHost>): void {
  /** A host of the test's own, which ends, and the one after it. */
  const hosts = async () => {
    const stateDir = join(await mkdtemp(join(bench.dir, "adopt-")), "state");
    let host = await create(stateDir);
    const containers: Container[] = [];
    return {
      stateDir,
      get host() {
        return host;
      },
      async start(line: string, more: Partial<ContainerSpec> = {}): Promise<Container> {
        const container = await host.start(bench.shell(line, { mayOutlive: true, ...more }));
        containers.push(container);
        await readUntil(container, "up");
        await container.outlive();
        return container;
      },
      async next(): Promise<ContainerHost> {
        await host[Symbol.asyncDispose]();
        host = await create(stateDir);
        return host;
      },
      async close(): Promise<void> {
        await Promise.all((await Promise.all(containers.map(({ id }) => host.adopt(id)))).map((container) => container?.remove()));
        await host[Symbol.asyncDispose]();
        await expect.poll(() => countTraces(stateDir), { timeout: 10_000, interval: 100 }).toEqual(NOTHING);
      },
    };
  };
  const textOf = async ({ output, close }: EnteredProcess): Promise<string> => {
    let text = "";
    for await (const { data } of output) text += Buffer.from(data).toString();
    await close();
    return text;
  };
  const run = async (container: Container, line: string) => textOf(await container.enter({ command: ["/bin/sh", "-c", line] }));

  needs("adoption", "goes on without the process that has started it, and is all the next one needs", async () => {
    const test = await hosts();
    const limits = { memoryMiB: 64, pids: 50 };
    const { id } = await test.start("trap 'exit 7' INT; echo kept >/data/x; echo up; while :; do sleep 0.02; done", { limits });
    const before = await countTraces(test.stateDir);
    const next = await test.next();
    const container = await next.adopt(id);
    if (container === undefined) throw new Error("It has not been found.");
    expect(await next.adopt(id)).toBeUndefined();
    expect(await next.sweep()).toEqual([]);
    expect(await countTraces(test.stateDir)).toEqual(before);
    expect(await run(container, "cat /data/x")).toBe("kept\n");
    expect((await container.stats()).memoryBytes).toBeGreaterThan(0);
    await container.pause();
    await container.resume();
    await container.mount("/mnt", []);
    expect(await run(container, "echo y >/mnt/y; ls /mnt")).toBe("y\n");
    await next.commit(container, join(bench.dir, `${id}-committed`));
    // And once more.
    const third = await test.next();
    const again = await third.adopt(id);
    if (again === undefined) throw new Error("It has not been found again.");
    await again.mount("/srv", []);
    expect(await run(again, "ls /mnt; ls /srv | wc -l")).toBe("y\n0\n");
    expect(await again.stop(10_000)).toEqual({ code: 7, oomKilled: false });
    await again.remove();
    await test.close();
  });

  needs("adoption", "says how one has ended meanwhile, and takes those away that nobody wants", async () => {
    const test = await hosts();
    const dir = await mkdtemp(join(bench.dir, "go-"));
    const binds = [{ source: dir, target: "/data/go", readOnly: true }];
    const wait = "echo up; while [ ! -e /data/go/now ]; do sleep 0.01; done;";
    const ended = await test.start(`${wait} exit 5`, { binds });
    const greedy = await test.start(`${wait} tail /dev/zero`, { binds, limits: { memoryMiB: 32 } });
    const frozen = await test.start("echo up; exec sleep 1000");
    await frozen.pause();
    const unwanted = await test.start("echo up; exec sleep 1000");
    const ordinary = await test.host.start(bench.shell("exec sleep 1000"));
    const mortal = await test.host.start(bench.shell("exec sleep 1000", { mayOutlive: true }));
    await expect(ordinary.outlive()).rejects.toThrow("mayOutlive");
    await test.host[Symbol.asyncDispose]();
    await writeFile(join(dir, "now"), "");
    const next = await test.next();
    const exitOf = async ({ id }: Container) => (await next.adopt(id))?.exited;
    expect(await exitOf(ended)).toEqual({ code: 5, oomKilled: false });
    expect(await exitOf(greedy)).toMatchObject({ oomKilled: true });
    const thawed = await next.adopt(frozen.id);
    expect(thawed && (await run(thawed, "echo runs"))).toBe("runs\n");
    for (const gone of [ordinary, mortal]) expect(await next.adopt(gone.id)).toBeUndefined();
    expect(await next.sweep()).toEqual([unwanted.id]);
    expect(await next.adopt(unwanted.id)).toBeUndefined();
    await thawed?.remove();
    await next[Symbol.asyncDispose]();
    await test.next();
    await test.close();
  });

  needs("adoption", "leaves what a container may reach as it was, learned names included", async () => {
    await using outside = await openOutside(bench);
    const { a, b } = outside;
    const test = await hosts();
    const reach = (host: string) => `timeout 4 bash -c 'head -c 2 </dev/tcp/${host}/7000' 2>/dev/null || echo no; echo`;
    const network = { cidrs: [], domains: ["a.allowed.test"] };
    const { id } = await test.start("echo up; exec sleep 1000", { network });
    const blocked = await test.start("echo up; exec sleep 1000", { network: "outbound" });
    await blocked.setNetwork("blocked");
    expect(await test.host.adopt(id)).toBeUndefined();
    const next = await test.next();
    const [adopted, still] = [await next.adopt(id), await next.adopt(blocked.id)];
    if (adopted === undefined || still === undefined) throw new Error("They have not been found.");
    expect(await run(adopted, `${reach(a)}; ${reach(b)}; ${reach("a.allowed.test")}; ${reach(a)}`)).toBe("no\n\nno\n\nhi\nhi\n");
    expect(await run(still, reach(a))).toBe("no\n\n");
    const third = await test.next();
    const [learned, open] = [await third.adopt(id), await third.adopt(blocked.id)];
    if (learned === undefined || open === undefined) throw new Error("They have not been found again.");
    expect(await run(learned, `${reach(a)}; ${reach(b)}`)).toBe("hi\nno\n\n");
    await open.setNetwork("outbound");
    expect(await run(open, reach(a))).toBe("hi\n");
    // An address that is in use is given to nobody else.
    const other = await third.start(bench.shell("cat /proc/net/fib_trie; echo up; exec sleep 1000", { network: "outbound" }));
    const address = (text: string) => /\|-- (10\.\d+\.\d+\.\d+)\s+\/32 host LOCAL/.exec(text)?.[1];
    const taken = await Promise.all([learned, open].map(async (each) => address(await run(each, "cat /proc/net/fib_trie"))));
    expect(taken).not.toContain(address(await readUntil(other, "up")));
    await Promise.all([learned, open, other].map((each) => each.remove()));
    await test.close();
  });
}
