// What is written down about a container that may outlive its server, so that the next one can go on with it.

import { readdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ContainerSpec, NetworkPolicy } from "../host.ts";
import { startTime } from "../process/proc-stat.ts";

/** Changes when earlier files cannot be understood any more: such containers are swept. */
const VERSION = 1;
const FILE = "kept.json";

/** A process that can be told from a later one with the same pid. */
export interface KnownProcess {
  readonly pid: number;
  readonly startTime: string;
}

export interface KeptContainer {
  readonly spec: ContainerSpec;
  /** Of its network, and what it may reach. */
  readonly address: string;
  readonly policy: NetworkPolicy;
  readonly diskMiB: number;
  /** The shell that waits for the runtime, and holds the namespaces of the slot. */
  readonly shell: KnownProcess;
  /** The container's main process. */
  readonly main: KnownProcess;
}

interface KeptFile extends KeptContainer {
  readonly version: typeof VERSION;
  /** Of the machine: another one has none of these processes. */
  readonly boot: string;
}

const bootId = async (): Promise<string> => (await readFile("/proc/sys/kernel/random/boot_id", "utf8")).trim();

export async function knownProcess(pid: number): Promise<KnownProcess> {
  return { pid, startTime: await startTime(pid) };
}

export async function isRunning({ pid, startTime: known }: KnownProcess): Promise<boolean> {
  return known !== "" && (await startTime(pid)) === known;
}

/** The file is there whole, or as it was. A server that is killed right after loses nothing; a machine that falls has no containers. */
export async function writeKept(slotDir: string, kept: KeptContainer): Promise<void> {
  const file: KeptFile = { ...kept, version: VERSION, boot: await bootId() };
  const path = join(slotDir, FILE);
  await writeFile(`${path}.new`, JSON.stringify(file), { mode: 0o600 });
  await rename(`${path}.new`, path);
}

/** By the name of the slot. Those of before the machine was started are none. */
export async function readAllKept(slotsDir: string): Promise<ReadonlyMap<string, KeptContainer>> {
  const boot = await bootId();
  const found = new Map<string, KeptContainer>();
  for (const name of await readdir(slotsDir).catch(() => [])) {
    const text = await readFile(join(slotsDir, name, FILE), "utf8").catch(() => "");
    if (text === "") continue;
    const file = JSON.parse(text) as KeptFile;
    if (file.version === VERSION && file.boot === boot) found.set(name, file);
  }
  return found;
}
