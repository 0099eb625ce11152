// Whether what runs in a sandbox is ready: a port that takes connections, or a command that ends well.
import { setTimeout as sleep } from "node:timers/promises";
import type { Agent } from "@lydian/containers";
import type { Readiness } from "./definition.ts";
import type { Sandbox } from "./sandbox.ts";

/** A probe that takes longer is given up, and counts as "not yet". */
const PROBE_MS = 60_000;

/** Probes until it is ready. False: it ended before. */
export async function waitUntilReady(sandbox: Sandbox, readiness: Readiness): Promise<boolean> {
  const { agent } = await sandbox.started;
  while (sandbox.live) {
    if (await probe(agent, sandbox, readiness).catch(() => false)) return true;
    await sleep(readiness.intervalMs, undefined, { ref: false });
  }
  return false;
}

async function probe(agent: Agent, { env, workdir }: Sandbox, readiness: Readiness): Promise<boolean> {
  if ("port" in readiness) {
    (await agent.connect(readiness.port)).destroy();
    return true;
  }
  const process = await agent.exec({ argv: readiness.argv, env, workdir });
  const timer = setTimeout(() => process.signal("SIGKILL"), PROBE_MS);
  try {
    await process.endInput().catch(() => {});
    for await (const _ of process.output);
    return (await process.exited).code === 0;
  } finally {
    clearTimeout(timer);
  }
}
