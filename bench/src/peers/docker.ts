// `docker run` of the same script in the same root file system, with a Docker Engine of the bench's own.
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sequential } from "../measure.ts";
import { accepting, output, service } from "../processes.ts";

/** Milliseconds from `docker run` to its end. */
export async function dockerRun(rootfs: string, command: readonly string[], times: number): Promise<{ name: string; ms: number[] }> {
  const dir = await mkdtemp(join(tmpdir(), "bench-docker-"));
  const socket = join(dir, "docker.sock");
  const host = ["-H", `unix://${socket}`];
  try {
    await using _docker = service("dockerd", [
      ...["--data-root", join(dir, "data"), "--exec-root", join(dir, "exec")],
      ...["-H", `unix://${socket}`, "--pidfile", join(dir, "pid")],
    ]);
    await accepting({ path: socket }, 60_000);
    await importImage(rootfs, host);
    const ms = await sequential(times, 2, () => output("docker", ...host, "run", "--rm", "bench", ...command));
    const version = (await output("docker", ...host, "version", "--format", "{{.Server.Version}}")).trim();
    return { name: `docker run (Docker Engine ${version})`, ms };
  } finally {
    await rm(dir, { recursive: true, force: true, maxRetries: 5 });
  }
}

export async function importImage(rootfs: string, host: readonly string[]): Promise<void> {
  const tar = spawn("tar", ["-C", rootfs, "-c", "."], { stdio: ["ignore", "pipe", "inherit"] });
  const load = spawn("docker", [...host, "import", "-", "bench"], { stdio: ["pipe", "ignore", "inherit"] });
  tar.stdout.pipe(load.stdin);
  const code = await new Promise((resolve) => load.once("close", resolve));
  if (code !== 0) throw new Error(`docker import ended with ${code}`);
}
