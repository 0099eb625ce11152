// What every container host must do about containers in the network of another one.

import { expect, it } from "vitest";
import type { Container } from "../host.ts";
import { type Bench, type Needs, readUntil } from "./contract.ts";
import { countTraces } from "./traces.ts";

const SPACES = "stat -L -c %i /proc/self/ns/net /proc/self/ns/pid /proc/self/ns/mnt";
const STAYS = `${SPACES}; cat /proc/net/dev; echo up; exec sleep 1000`;

async function spaces(container: Container): Promise<{ readonly numbers: readonly string[]; readonly text: string }> {
  const text = await readUntil(container, "up\n");
  return { numbers: text.split("\n").slice(0, 3), text };
}

export function sharedNetworkContract(bench: Bench, needs: Needs): void {
  needs("sharedNetwork", "starts one in the network of another, with processes and files of its own", async () => {
    const main = await bench.host.start(bench.shell(STAYS, { network: "outbound", env: { PATH: "/bin", MARK: "main" } }));
    const [net, ...own] = (await spaces(main)).numbers;
    const guest = await bench.host.start(bench.shell(STAYS, { networkOf: main.id, network: "blocked" }));
    const found = await spaces(guest);
    expect(found.numbers[0]).toBe(net);
    expect(found.numbers.slice(1)).not.toEqual(own);
    for (const number of found.numbers.slice(1)) expect(own).not.toContain(number);
    expect(found.text).toMatch(/eth0:/);
    await expect(guest.setNetwork("blocked")).rejects.toThrow(`is in the network of ${main.id}`);
    await expect(bench.host.start(bench.shell("true", { networkOf: guest.id }))).rejects.toThrow(
      `in the network of ${main.id}: name that one`,
    );
    await guest.stop(0);
    await guest.remove();
    // The other goes on.
    const again = await bench.host.start(bench.shell(STAYS, { networkOf: main.id }));
    expect((await spaces(again)).numbers[0]).toBe(net);
    await main.remove();
    expect(await again.exited).toMatchObject({ signal: "SIGKILL" });
    await again.remove();
  });

  needs("sharedNetwork", "has no link of its own for one in another's network", async () => {
    // None is kept ready meanwhile.
    await bench.host.warm(0);
    const links = async () => (await countTraces(bench.stateDir)).links;
    const main = await bench.host.start(bench.shell(STAYS, { network: "outbound" }));
    await readUntil(main, "up\n");
    const before = await links();
    const guests = await Promise.all([1, 2].map(() => bench.host.start(bench.shell(STAYS, { networkOf: main.id }))));
    for (const guest of guests) await readUntil(guest, "up\n");
    const during = await links();
    await Promise.all([main.remove(), ...guests.map((guest) => guest.remove())]);
    expect(during).toBe(before);
  });

  it("refuses the network of a container that it cannot share", async () => {
    await expect(bench.host.start(bench.shell("true", { networkOf: "nobody" }))).rejects.toThrow(
      /There is no container nobody|no container can be started in the network|nobody has not a network of its own/,
    );
    if (!bench.host.features.sharedNetwork) return;
    const main = await bench.host.start(bench.shell("true"));
    await main.exited;
    await expect(bench.host.start(bench.shell("true", { networkOf: main.id }))).rejects.toThrow(`Container ${main.id} has ended.`);
    await main.remove();
  });
}
