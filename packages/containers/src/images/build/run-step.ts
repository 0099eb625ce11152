// RUN: a command in a container on the layers so far; what it writes becomes the next layer.
import { randomBytes } from "node:crypto";
import type { Bind, Container, ContainerHost, Exit } from "../../host.ts";
import { ImageError, reasonOf } from "../errors.ts";
import type { OnBuildLog } from "../image.ts";
import { LastLines, LineSplitter } from "../log-lines.ts";

export interface RunStep {
  readonly host: ContainerHost;
  readonly command: readonly string[];
  /** Directories, topmost first. */
  readonly layers: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly workdir: string;
  readonly binds: readonly Bind[];
  readonly onLog: OnBuildLog;
  /** e.g. `step 2 (RUN npm ci)`, for messages. */
  readonly title: string;
}

/** A step that goes on for longer hangs. */
const STEP_TIMEOUT_MS = 3_600_000;
/** Of a step that is stopped nothing is kept, so there is nothing to tidy up. */
const GRACE_MS = 200;
const SHOWN_LINES = 20;
const DISK_MIB = 20_480;

/** Runs the command and turns what it wrote into a layer at `target`. */
export async function runStep(step: RunStep, target: string, signal: AbortSignal): Promise<void> {
  const { host } = step;
  const container = await host
    .start({
      id: `build-${randomBytes(8).toString("hex")}`,
      layers: step.layers,
      command: step.command,
      env: step.env,
      workdir: step.workdir,
      limits: { diskMiB: DISK_MIB },
      network: "outbound",
      binds: step.binds,
      keepWritableLayer: true,
    })
    .catch((error: unknown) => {
      throw new ImageError("unsupported", `The container of ${step.title} could not be started: ${reasonOf(error)}`, { cause: error });
    });
  const limit = AbortSignal.timeout(STEP_TIMEOUT_MS);
  const stop = (): void => void container.stop(GRACE_MS);
  for (const reason of [signal, limit]) reason.addEventListener("abort", stop, { once: true });
  try {
    if (signal.aborted) stop();
    const last = await readOutput(container, step.onLog);
    const exit = await container.exited;
    if (signal.aborted) throw new ImageError("cancelled", "The image build was cancelled.", { cause: signal.reason });
    if (limit.aborted) throw failure(step, `did not end within ${STEP_TIMEOUT_MS / 60_000} minutes and was stopped`, last, exit);
    if (exit.code !== 0) throw failure(step, describeExit(exit), last, exit);
    await host.commit(container, target);
  } finally {
    for (const reason of [signal, limit]) reason.removeEventListener("abort", stop);
    await container.remove();
  }
}

async function readOutput(container: Container, onLog: OnBuildLog): Promise<LastLines> {
  const last = new LastLines(SHOWN_LINES);
  const splitter = (stream: "stdout" | "stderr"): LineSplitter =>
    new LineSplitter((text) => {
      last.push(text);
      onLog({ stream, text });
    });
  const splitters = { stdout: splitter("stdout"), stderr: splitter("stderr") };
  for await (const { stream, data } of container.output) splitters[stream].write(data);
  splitters.stdout.end();
  splitters.stderr.end();
  return last;
}

function describeExit(exit: Exit): string {
  if (exit.oomKilled) return "was killed by the kernel: it used more memory than there is";
  return exit.signal === undefined ? `failed with exit code ${exit.code}` : `was ended by ${exit.signal}`;
}

function failure(step: RunStep, what: string, last: LastLines, exit: Exit): ImageError {
  const output = last.toString();
  const shown = output === "" ? "It printed nothing." : `Its last output:\n${output}`;
  return new ImageError("step_failed", `${step.title} ${what}. ${shown}`, exit.code === undefined ? {} : { exitCode: exit.code });
}

/**
 * The command line of a process that runs as `user` (`name`, `uid` or `uid:gid`). Containers start as root, so the
 * image's own setpriv changes over.
 */
export function asUser(user: string | undefined, command: readonly string[]): readonly string[] {
  if (user === undefined || user === "root" || user === "0" || user === "0:0") return command;
  const [name = "", group = ""] = user.split(":");
  const script =
    'group="$2"; [ -n "$group" ] || group="$(id -g "$1" 2>/dev/null || echo 0)"; user="$1"; shift 2; exec setpriv --reuid="$user" --regid="$group" --clear-groups -- "$@"';
  return ["/bin/sh", "-c", script, "sh", name, group, ...command];
}
