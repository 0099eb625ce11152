// A network without root: a namespace that a waiting process holds, on which the containers' networks hang, and the way out of it.
// slirp4netns speaks TCP/IP in user space and opens ordinary sockets on the machine.
import { type ChildProcess, spawn } from "node:child_process";
import { networkInterfaces } from "node:os";
import type { Readable } from "node:stream";

const READY_TIMEOUT_MS = 10_000;
/** slirp4netns resolves names at this address, with the machine's own resolver. */
export const UPLINK_RESOLVER = "10.0.2.3";

export interface Uplink {
  /** Words to put before a command that is to run in this network. */
  readonly prefix: readonly string[];
  close(): Promise<void>;
}

/** Rejects with the reason when there can be none. */
export async function openUplink(): Promise<Uplink> {
  const holder = spawn("unshare", ["--net", "--", "sh", "-c", "echo ready; exec sleep 2147483647"], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  const slirp = await started(holder, holder.stdout, "unshare", "util-linux").then(() => {
    const args = ["--configure", "--mtu=65520", "--disable-host-loopback", "--enable-seccomp", "--ready-fd=3", String(holder.pid), "tap0"];
    return spawn("slirp4netns", args, { stdio: ["ignore", "ignore", "pipe", "pipe"] });
  });
  try {
    await started(slirp, slirp.stdio[3] as Readable, "slirp4netns", "slirp4netns");
  } catch (error) {
    holder.kill("SIGKILL");
    throw error;
  }
  return {
    prefix: ["nsenter", `--net=/proc/${holder.pid}/ns/net`, "--"],
    async close() {
      await Promise.all([slirp, holder].map(end));
    },
  };
}

/** Resolves when the process has said that it is ready; after that it does not keep this one alive. */
async function started(child: ChildProcess, said: Readable | null, program: string, packageName: string): Promise<void> {
  let why = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    why = (why + chunk.toString()).slice(-2000);
  });
  const ended = new Promise<void>((resolve) => {
    child.once("exit", () => resolve());
    child.once("error", (error) => {
      why = (error as NodeJS.ErrnoException).code === "ENOENT" ? `it is not installed (apt-get install ${packageName})` : error.message;
      resolve();
    });
  });
  const ready = new Promise<true>((resolve) => said?.once("data", () => resolve(true)));
  const timeout = new Promise<void>((resolve) => setTimeout(resolve, READY_TIMEOUT_MS).unref());
  if ((await Promise.race([ready, ended, timeout])) !== true) {
    child.kill("SIGKILL");
    throw new Error(`Containers can have no network: ${program} did not start: ${why.trim() || "no message"}`);
  }
  child.unref();
  for (const stream of child.stdio) (stream as { unref?(): void } | null)?.unref?.();
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.ref();
  child.kill("SIGKILL");
  await ended;
}

/** The machine's own addresses: over the uplink they lead to its services. */
export function machineAddresses(): readonly string[] {
  return Object.values(networkInterfaces())
    .flatMap((each) => each ?? [])
    .filter((each) => each.family === "IPv4" && !each.internal)
    .map((each) => each.address);
}
