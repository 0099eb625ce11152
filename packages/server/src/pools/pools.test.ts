import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { GenericResult_GenericStatus as Status } from "@lydian/protocol";
import { afterEach, describe, expect, it } from "vitest";
import { ExecHomes } from "./exec-homes.ts";
import { FAILURE, message, type Rig, type RigOptions, SUCCESS, startRig, textOf } from "./test-rig.ts";

let rig: Rig | undefined;
async function start(options: RigOptions = {}): Promise<Rig> {
  rig = await startRig(options);
  return rig;
}
afterEach(async () => {
  await rig?.close();
  rig = undefined;
});

describe("a pool", () => {
  it("scales from zero and answers a call", async () => {
    const rig = await start();
    expect(await rig.output(await rig.spawn("a"))).toEqual({ status: Status.SUCCESS, text: "a!" });
  });

  it("serves a map with one container and many slots", async () => {
    const rig = await start({
      definition: { maxConcurrentInputs: 10, concurrencyLimit: 1 },
      program: ({ serve }) => serve((item) => SUCCESS(textOf(item)), 10),
    });
    const texts = Array.from({ length: 500 }, (_, at) => `t${at}`);
    const outputs = await rig.outputs(await rig.map(texts), 500);
    expect(outputs.map(({ text }) => text)).toEqual(texts);
    expect(rig.host.most).toBe(1);
  });

  it("never has more containers than allowed, and uses those", async () => {
    const rig = await start({
      definition: { concurrencyLimit: 3 },
      program: ({ serve }) => serve((item) => sleep(5, SUCCESS(textOf(item)))),
    });
    await rig.outputs(await rig.map(Array.from({ length: 60 }, String)), 60);
    expect(rig.host.most).toBe(3);
  });

  it("retries a failure as the policy says, and reports the last one", async () => {
    const attempts: number[] = [];
    const rig = await start({
      definition: { retryPolicy: { retries: 2, initialDelayMs: 1, backoffCoefficient: 1, maxDelayMs: 1 } },
      program: ({ serve }) =>
        serve((item) => {
          attempts.push(item.retryCount ?? -1);
          return FAILURE(`attempt ${item.retryCount}`);
        }),
    });
    expect(await rig.output(await rig.spawn("a"))).toEqual({ status: Status.FAILURE, text: "attempt 2" });
    expect(attempts).toEqual([0, 1, 2]);
  });

  it("does not retry what the thrower says is final", async () => {
    const rig = await start({
      definition: { retryPolicy: { retries: 2, initialDelayMs: 1, backoffCoefficient: 1, maxDelayMs: 1 } },
      program: ({ serve }) => serve((item) => FAILURE(`attempt ${item.retryCount}`, "non-retriable")),
    });
    expect(await rig.output(await rig.spawn("a"))).toEqual({ status: Status.FAILURE, text: "attempt 0" });
  });

  it("runs an input again when its container is lost, three times at most", async () => {
    const rig = await start({
      program: async (inside) => {
        await inside.start();
        await inside.hello();
        await inside.fetch();
        inside.print("last words\n");
        inside.exit({ code: 7 });
      },
    });
    const { status, text } = await rig.output(await rig.spawn("a"));
    expect(status).toBe(Status.FAILURE);
    expect(text).toContain("exited with code 7");
    expect(text).toContain("container 3");
    expect(text).toContain("last words");
    expect(rig.host.started).toBe(3);
  });

  it("names the memory limit when the kernel killed a container", async () => {
    const rig = await start({
      definition: { resources: { memoryMbMax: 64 } },
      program: async (inside) => {
        await inside.start();
        await inside.hello();
        await inside.fetch();
        inside.exit({ signal: "SIGKILL", oomKilled: true });
      },
    });
    const { status, text } = await rig.output(await rig.spawn("a"));
    expect(status).toBe(Status.KERNEL_OOM_KILL);
    expect(text).toContain("64 MiB");
  });

  it("gives up on a function whose containers cannot start, and tries again for a later input", async () => {
    const rig = await start({
      program: async (inside) => {
        inside.print("no such module\n");
        inside.exit({ code: 1 });
      },
    });
    const first = await rig.output(await rig.spawn("a"));
    expect(first.status).toBe(Status.INIT_FAILURE);
    expect(first.text).toContain("exited with code 1 before it was ready");
    expect(first.text).toContain("no such module");
    expect(rig.host.started).toBe(3);
    rig.program = ({ serve }) => serve((item) => SUCCESS(textOf(item)));
    expect((await rig.output(await rig.spawn("b"))).text).toBe("b");
  });

  it("says why a function can have no container here", async () => {
    const rig = await start({ definition: { imageId: "im-none" } });
    const { status, text } = await rig.output(await rig.spawn("a"));
    expect(status).toBe(Status.INIT_FAILURE);
    expect(text).toContain("im-none is not built");
  });

  it("passes on what the runtime says about a failed import", async () => {
    const rig = await start({
      program: async (inside) => {
        await inside.start();
        const caller = rig.pools.callerOf(inside.taskId);
        if (caller) await rig.modal.taskResult?.(message({ result: FAILURE("SyntaxError: line 3") }), rig.context(caller));
        inside.exit({ code: 1 });
      },
    });
    const { status, text } = await rig.output(await rig.spawn("a"));
    expect(status).toBe(Status.INIT_FAILURE);
    expect(text).toBe("The container could not start: SyntaxError: line 3");
  });

  it("ends an input that runs into its timeout, and the container that goes on with it", async () => {
    const rig = await start({
      definition: { timeoutSecs: 1 },
      program: async (inside) => {
        await inside.start();
        await inside.hello();
        await inside.fetch();
        await new Promise((resolve) => inside.signal.addEventListener("abort", resolve));
      },
    });
    const { status, text } = await rig.output(await rig.spawn("a"));
    expect(status).toBe(Status.TIMEOUT);
    expect(text).toContain("timeout of 1 s");
  });

  it("cancels queued and running inputs and tells the container", async () => {
    let cancelled: readonly string[] = [];
    let told: () => void = () => {};
    const heard = new Promise<void>((resolve) => {
      told = resolve;
    });
    const rig = await start({
      definition: { concurrencyLimit: 1 },
      program: async (inside) => {
        await inside.start();
        await inside.hello();
        await inside.fetch();
        running();
        cancelled = await inside.heartbeat();
        told();
        await inside.fetch();
      },
    });
    let running: () => void = () => {};
    const taken = new Promise<void>((resolve) => {
      running = resolve;
    });
    const id = await rig.map(["a", "b"]);
    await taken;
    await rig.modal.functionCallCancel?.(message({ functionCallId: id }), rig.client());
    const outputs = await rig.outputs(id, 2);
    expect(outputs.map(({ status }) => status)).toEqual([Status.TERMINATED, Status.TERMINATED]);
    await heard;
    expect(cancelled).toHaveLength(1);
  });

  it("lets code that is told to give up finish what it does last, when its app stops", async () => {
    let running: () => void = () => {};
    const taken = new Promise<void>((resolve) => {
      running = resolve;
    });
    let last: unknown;
    const rig = await start({
      program: async (inside) => {
        await inside.start();
        await inside.hello();
        await inside.fetch();
        running();
        await inside.heartbeat();
        await new Promise((resolve) => setImmediate(resolve));
        const [next] = await inside.fetch();
        last = { interrupted: inside.signal.aborted, leaves: next?.killSwitch };
      },
    });
    await rig.spawn("a");
    await taken;
    await rig.pools.stopApp("ap-1", "It was stopped.");
    expect(last).toEqual({ interrupted: false, leaves: true });
  });

  it("refuses a late answer of an abandoned attempt", async () => {
    const rig = await start({
      program: async (inside) => {
        await inside.start();
        await inside.hello();
        const [item] = await inside.fetch();
        await rig.modal.functionCallCancel?.(message({ functionCallId: item?.functionCallId }), rig.client());
        if (item) await inside.put([{ item, result: SUCCESS("late") }]);
        await inside.fetch();
      },
    });
    const id = await rig.spawn("a");
    expect((await rig.output(id)).status).toBe(Status.TERMINATED);
  });

  it("stops an app: calls are terminated, containers end, watchers are told", async () => {
    const rig = await start({
      program: async (inside) => {
        await inside.start();
        await inside.hello();
        await inside.fetch();
        running();
        await new Promise((resolve) => inside.signal.addEventListener("abort", resolve));
      },
    });
    let running: () => void = () => {};
    const taken = new Promise<void>((resolve) => {
      running = resolve;
    });
    const news: unknown[] = [];
    const watching = (async () => {
      for await (const item of rig.pools.watch("ap-1")) news.push(item);
    })();
    const id = await rig.spawn("a");
    await taken;
    rig.liveApps.delete("ap-1");
    await rig.pools.stopApp("ap-1", "The app was stopped.");
    expect(await rig.output(id)).toEqual({ status: Status.TERMINATED, text: "The app was stopped." });
    await watching;
    expect(rig.host.existing).toBe(0);
    expect(news.length).toBeGreaterThan(0);
    await expect(rig.spawn("b")).rejects.toThrow("has stopped");
  });

  it("interrupts nothing that has not begun: a container that is still booting is killed", async () => {
    let booting: () => void = () => {};
    const boots = new Promise<void>((resolve) => {
      booting = resolve;
    });
    const rig = await start({
      program: async (inside) => {
        booting();
        await new Promise((resolve) => inside.signal.addEventListener("abort", resolve));
      },
    });
    await rig.spawn("a");
    await boots;
    rig.liveApps.delete("ap-1");
    await rig.pools.stopApp("ap-1", "The app was stopped.");
    expect(rig.host.graces).toEqual([0]);
  });

  it("keeps the minimum of containers and gives an idle one up after its window", async () => {
    const rig = await start({ definition: { autoscalerSettings: { minContainers: 1, scaledownWindow: 1 } } });
    rig.pools.ensure("fu-1");
    const states = rig.pools.watch("ap-1");
    for await (const { pools } of states) if (pools[0]?.readyContainers === 1) break;
    rig.define("fu-1", { autoscalerSettings: { minContainers: 0, scaledownWindow: 1 } });
    rig.pools.ensure("fu-1");
    for await (const { pools } of rig.pools.watch("ap-1")) if (pools[0]?.readyContainers === 0) break;
  });

  it("keeps a container in which a client runs something, though it is idle", async () => {
    const definition = { autoscalerSettings: { scaledownWindow: 1 } };
    const rig = await start({ definition });
    rig.define("fu-2", definition);
    for (const id of ["fu-1", "fu-2"]) await rig.output(await rig.spawn("a", id));
    const [held, other] = [...rig.pools.tasks()].map(({ taskId }) => rig.pools.container(taskId));
    if (held === undefined || other === undefined) throw new Error("there are no two containers");
    const homes = new ExecHomes({
      container: (taskId) => rig.pools.container(taskId),
      environment: () => ({}),
      onUse: (container) => rig.pools.poolOf(container)?.freed(container),
      forget: async () => {},
      dir: join(rig.dir, "exec"),
      after: () => {},
      onError: () => {},
    });
    const use = homes.of(held.taskId).use();
    // The window of the one that is held was over before.
    await other.ended;
    expect(held.live).toBe(true);
    use[Symbol.dispose]();
    await held.ended;
    await expect(homes.of(held.taskId).agent()).rejects.toMatchObject({ code: "failed_precondition" });
  });

  it("makes the next container of a series of cold starts before it is asked for", async () => {
    const rig = await start({ standbyKinds: 1 });
    for (const id of ["fu-2", "fu-3"]) rig.define(id, {});
    // One; its own and the next; the next and one more.
    for (const [id, started] of [
      ["fu-1", 1],
      ["fu-2", 3],
      ["fu-3", 4],
    ] as const) {
      expect((await rig.output(await rig.spawn("x", id))).text).toBe("x!");
      await expect.poll(() => rig.host.started).toBe(started);
    }
  });

  it("gives a cold start the standby container of its image", async () => {
    const rig = await start({ standbyKinds: 1 });
    rig.define("fu-2", {});
    await rig.output(await rig.spawn("a"));
    while (rig.host.started < 2) await sleep(20);
    while (rig.host.existing < 2) await sleep(20);
    const [before] = [...rig.pools.tasks()].filter(({ finishedAt }) => finishedAt === 0);
    expect([...rig.pools.tasks()]).toHaveLength(1);
    const askedAt = Date.now();
    await sleep(2);
    expect((await rig.output(await rig.spawn("b", "fu-2"))).text).toBe("b!");
    const tasks = [...rig.pools.tasks()];
    expect(tasks).toHaveLength(2);
    // It was there before it was asked for.
    for (const { enqueuedAt } of tasks) expect(enqueuedAt).toBeLessThanOrEqual(askedAt);
    expect(before?.appId).toBe("ap-1");
  });

  it("stops a container after one input when it is for single use", async () => {
    const rig = await start({ definition: { singleUseContainers: true, concurrencyLimit: 2 } });
    await rig.outputs(await rig.map(["a", "b", "c", "d"]), 4);
    expect(rig.host.started).toBe(4);
  });

  it("waits for capacity and says so", async () => {
    const rig = await start({
      capacity: { maxContainers: 1 },
      program: ({ serve }) => serve((item) => sleep(50, SUCCESS(textOf(item)))),
    });
    rig.define("fu-2", { singleUseContainers: true });
    rig.define("fu-1", { singleUseContainers: true });
    const a = await rig.spawn("a");
    const b = await rig.spawn("b", "fu-2");
    let said = "";
    for await (const { pools } of rig.pools.watch("ap-1")) {
      said = pools.find(({ functionId }) => functionId === "fu-2")?.waitingReason ?? "";
      if (said !== "") break;
    }
    expect(said).toContain("1 containers exist, the most");
    await rig.output(a);
    expect((await rig.output(b)).text).toBe("b");
    expect(rig.host.most).toBe(1);
  });
});
