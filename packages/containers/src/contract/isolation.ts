// What every container host must do about levels of isolation.

import { spawnSync } from "node:child_process";
import { chmodSync } from "node:fs";
import { lstat, mkdtemp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { type Bench, readUntil } from "./contract.ts";

export function isolationContract(bench: Bench): void {
  const offers = (level: "user-namespace") => bench.host.features.isolations.includes(level);

  it("refuses a level of isolation that it does not offer", async () => {
    for (const isolation of (["namespaces", "user-namespace", "gvisor"] as const).filter(
      (each) => !bench.host.features.isolations.includes(each),
    ))
      await expect(bench.host.start(bench.shell("true", { isolation }))).rejects.toThrow(
        `isolated by ${isolation}, which this host does not offer`,
      );
  });

  it("says what a container has: at least what was asked for", async () => {
    const { isolations } = bench.host.features;
    for (const isolation of isolations) {
      const { container } = await bench.run("true", { isolation });
      expect(container.isolation).toBe(isolation);
    }
    if (isolations.length === 0) expect((await bench.run("true")).container.isolation).toBe("none");
  });

  it("gives each container's root an id of its own on the machine, where user namespaces are offered", async () => {
    if (!offers("user-namespace")) return;
    const ids: number[] = [];
    const containers = await Promise.all(
      ["98761", "98762"].map((mark) => bench.host.start(bench.shell(`echo up; exec sleep ${mark}`, { isolation: "user-namespace" }))),
    );
    for (const container of containers) await readUntil(container, "up");
    for (const mark of ["98761", "98762"]) {
      let pid = "";
      const found = () => {
        pid = spawnSync("pgrep", ["-xf", `sleep ${mark}`])
          .stdout.toString()
          .trim();
        return pid;
      };
      // It is a shell when it says that it is up.
      await expect.poll(found).not.toBe("");
      const status = await readFile(`/proc/${pid}/status`, "utf8");
      const [real, effective] = /^Uid:\t(\d+)\t(\d+)/m.exec(status)?.slice(1).map(Number) ?? [];
      expect(effective).toBe(real);
      ids.push(real ?? 0);
    }
    for (const id of ids) expect(id).toBeGreaterThanOrEqual(0x1000_0000);
    expect(Math.abs((ids[0] ?? 0) - (ids[1] ?? 0))).toBeGreaterThanOrEqual(65_536);
    await Promise.all(containers.map((container) => container.remove()));
  });

  it("shows files of the machine as the container's own in a user namespace, and stores its files as the machine's", async () => {
    if (!offers("user-namespace")) return;
    const source = await mkdtemp(join(bench.dir, "owned-"));
    await writeFile(join(source, "in"), "in");
    chmodSync(join(source, "in"), 0o600);
    const container = await bench.host.start(
      bench.shell(
        "cat /proc/self/uid_map /data/owned/in; echo; stat -c %u /etc/passwd /data/owned/in; echo x >/data/owned/out; echo y >/made; cat /proc/sys/net/ipv4/ip_unprivileged_port_start; echo up; exec sleep 1000",
        { isolation: "user-namespace", network: "outbound", binds: [{ source, target: "/data/owned", readOnly: false }] },
      ),
    );
    const text = await readUntil(container, "up");
    expect(text).toMatch(/^\s+0\s+\d{9}\s+65536\nin\n0\n0\n0\nup\n/);
    expect(await lstat(join(source, "out"))).toMatchObject({ uid: 0, gid: 0 });
    const layer = join(source, "..", "owned-layer");
    await bench.host.commit(container, layer);
    expect(await lstat(join(layer, "made"))).toMatchObject({ uid: 0, gid: 0 });
    expect(await lstat(layer)).toMatchObject({ uid: 0, gid: 0 });
    await container.mount("/again", [layer]);
    const copy = join(source, "..", "owned-copy");
    await bench.host.commit(container, copy, { directory: "/again" });
    expect(await lstat(join(copy, "made"))).toMatchObject({ uid: 0, gid: 0 });
    await container.remove();
  });
}
