// Another process in a container that runs: the runtime's own exec, started where the runtime itself was started (inside the slot's
// mounts and network, and in its control group).

import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { readExit } from "../exit.ts";
import type { ContainerSpec, EnteredProcess, Exit } from "../host.ts";
import type { Launcher } from "../launcher/launcher.ts";
import { within } from "../within.ts";
import { OOM_SCORE_ADJUSTMENT, ociProcess } from "./config.ts";
import type { PidWatch } from "./pid-watch.ts";
import { killAll } from "./process-group.ts";
import { execCommand, logErrors, type Runtime } from "./runtimes.ts";
import type { Slot } from "./slot.ts";
import { quote } from "./slot-script.ts";

export interface EnterParts {
  readonly launcher: Launcher;
  readonly runtime: Runtime;
  /** Where the runtime keeps its state. */
  readonly root: string;
  readonly pids: PidWatch;
}

const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/** How long a runtime may take to notice that its process has ended. */
const REAP_TIMEOUT_MS = 5_000;
const MAX_REASON_BYTES = 4_096;

/** `name` is unique in the host, and no container's. */
export async function enterContainer(slot: Slot, spec: ContainerSpec, name: string, parts: EnterParts): Promise<EnteredProcess> {
  const { launcher, runtime, pids } = parts;
  const at = (what: string) => join(slot.dir, `${name}.${what}`);
  const pidFile = pids.path(name);
  const clean = () => Promise.all([pidFile, at("json"), at("log")].map((path) => rm(path, { force: true })));
  await writeFile(at("json"), JSON.stringify(ociProcess(spec)));
  const command = execCommand(runtime, slot.name, at("json"), { root: parts.root, log: at("log"), pidFile });
  // The runtime's process is the slot's first one. A runtime with a group of its own moves the new process there by itself.
  const joins = slot.group.procsFiles(runtime.ownCgroup ? "h" : undefined).map((file) => `echo $$ >${quote(file)}`);
  // crun's exec leaves this out.
  joins.push(`echo ${OOM_SCORE_ADJUSTMENT} >/proc/self/oom_score_adj`);
  const enter = ["nsenter", "--target", String(slot.process.pid), "--mount", "--net", "--", ...command];
  const started = pids.wait(name);
  const launched = await launcher
    .spawn({ argv: ["sh", "-c", [...joins, `exec ${enter.map(quote).join(" ")}`].join(" && ")], env: { PATH, LC_ALL: "C" }, cwd: "/" })
    .catch(async (error: unknown) => {
      pids.forget(name);
      await clean();
      throw error;
    });
  launched.endInput();
  const early = await Promise.race([started.then(() => undefined), launched.exited]);
  const pid = Number(await readFile(pidFile, "utf8").catch(() => "0"));
  if (early !== undefined) {
    pids.forget(name);
    // It may have been only quick.
    const reason = logErrors(await readFile(at("log"), "utf8").catch(() => "")) || (pid > 0 ? "" : await lastWords(launched.output));
    if (reason !== "" || pid === 0) {
      launched.close();
      await clean();
      throw new Error(`${spec.command[0]} could not be started in container ${spec.id}: ${reason || "the runtime gave no reason"}`);
    }
  }
  let ended = false;
  const exited: Promise<Exit> = launched.exited.then(async (exit) => {
    ended = true;
    await clean();
    return readExit(exit, false);
  });
  return {
    output: launched.output,
    exited,
    close: async () => {
      // Killing the runtime alone would leave its child to the container's first process.
      if (!ended && (await slot.group.processes()).includes(pid)) killAll([pid]);
      launched.output.discard();
      // The runtime reaps it: a zombie would hold up the end of the container.
      await within(launched.exited, REAP_TIMEOUT_MS);
      launched.close();
      await exited;
    },
  };
}

async function lastWords(output: AsyncIterable<{ readonly data: Uint8Array }>): Promise<string> {
  let text = "";
  for await (const { data } of output) {
    text += Buffer.from(data).toString();
    if (text.length > MAX_REASON_BYTES) break;
  }
  return text.trim().slice(0, MAX_REASON_BYTES);
}
