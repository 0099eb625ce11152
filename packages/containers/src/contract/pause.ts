// What every container host must do that can freeze containers.

import { mkdtemp, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import type { Container } from "../host.ts";
import { within } from "../within.ts";
import { type Bench, type Needs, readUntil } from "./contract.ts";

/** How long a frozen container is given to show that it is not. */
const LOOK_MS = 300;

export function pauseContract(bench: Bench, needs: Needs): void {
  /** A container that ends with code 5 when `go` is called, as one of several processes. */
  const waiting = async (): Promise<{ container: Container; go(): Promise<void> }> => {
    const dir = await mkdtemp(join(bench.dir, "pause-"));
    const container = await bench.host.start(
      bench.shell(
        "sleep 1000 & (while :; do sleep 0.01; done) & trap 'exit 7' INT; echo up; while [ ! -e /data/go/now ]; do sleep 0.01; done; exit 5",
        { binds: [{ source: dir, target: "/data/go", readOnly: true }] },
      ),
    );
    await readUntil(container, "up");
    return { container, go: () => writeFile(join(dir, "now"), "") };
  };

  needs("pause", "does nothing while it is paused, and goes on when resumed", async () => {
    const { container, go } = await waiting();
    await container.pause();
    await container.pause();
    await go();
    const { cpuMs } = await container.stats();
    expect(await within(container.exited, LOOK_MS)).toBeUndefined();
    expect((await container.stats()).cpuMs).toBe(cpuMs);
    await container.resume();
    await container.resume();
    expect(await container.exited).toMatchObject({ code: 5 });
    await expect(container.pause()).rejects.toThrow("has ended");
    await expect(container.resume()).rejects.toThrow("has ended");
    await container.remove();
  });

  needs("pause", "stops a paused container in its own way", async () => {
    const { container } = await waiting();
    await container.pause();
    expect(await container.stop(10_000)).toMatchObject({ code: 7 });
    await container.remove();
  });

  needs("pause", "ends a paused container with SIGKILL", async () => {
    const { container } = await waiting();
    await container.pause();
    await container.signal("SIGKILL");
    expect(await container.exited).toMatchObject({ signal: "SIGKILL" });
    await container.remove();
  });

  needs("pause", "removes a paused container", async () => {
    const { container } = await waiting();
    await Promise.all([container.pause(), container.remove()]).catch(() => {});
    await container.remove();
    const other = await waiting();
    await other.container.pause();
    await other.container.remove();
    expect(await other.container.exited).toMatchObject({ signal: "SIGKILL" });
  });

  it("says that a container cannot be paused where it cannot", async () => {
    if (bench.host.features.pause) return;
    const container = await bench.host.start(bench.shell("exec sleep 1000"));
    await expect(container.pause()).rejects.toThrow(/cannot be paused/);
    await expect(container.resume()).rejects.toThrow(/cannot be paused/);
    await container.remove();
  });
}
