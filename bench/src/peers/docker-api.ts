// A Docker Engine of the bench's own, asked through its API as an agent's program would: create, start, exec, remove.
import { mkdtemp, rm } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { accepting, service } from "../processes.ts";
import type { SandboxTarget } from "../sandbox-load.ts";
import { importImage } from "./docker.ts";

export interface DockerEngine extends SandboxTarget, AsyncDisposable {
  /** Milliseconds until a container whose own command is this has printed something. */
  run(command: readonly string[]): Promise<number>;
  pause(id: string): Promise<void>;
  unpause(id: string): Promise<void>;
}

/** What keeps a container until it is removed. */
const KEEPER = ["sleep", "infinity"];

export async function dockerEngine(rootfs: string): Promise<DockerEngine> {
  const dir = await mkdtemp(join(tmpdir(), "bench-docker-"));
  const socketPath = join(dir, "docker.sock");
  const docker = service("dockerd", [
    ...["--data-root", join(dir, "data"), "--exec-root", join(dir, "exec")],
    ...["-H", `unix://${socketPath}`, "--pidfile", join(dir, "pid")],
  ]);
  const end = async () => {
    await docker[Symbol.asyncDispose]();
    await rm(dir, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    await accepting({ path: socketPath }, 60_000);
    await importImage(rootfs, ["-H", `unix://${socketPath}`]);
  } catch (error) {
    await end();
    throw error;
  }

  /** Resolves with the answer; `first`: with the first of it, while more may come. */
  const call = (method: string, path: string, body?: object, first = false): Promise<string> =>
    new Promise((resolve, reject) => {
      const text = body === undefined ? "" : JSON.stringify(body);
      const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(text) };
      const sent = request({ socketPath, method, path, headers, agent: false }, (response) => {
        let answer = "";
        response.on("data", (chunk: Buffer) => {
          answer += chunk.toString("latin1");
          if (first) resolve(answer);
        });
        response.on("error", reject);
        response.on("end", () => {
          if ((response.statusCode ?? 500) < 400) resolve(answer);
          else reject(new Error(`Docker: ${method} ${path} answered ${response.statusCode}: ${answer}`));
        });
      });
      sent.on("error", reject);
      sent.end(text);
    });
  const idOf = (answer: string) => (JSON.parse(answer) as { Id: string }).Id;
  const create = async (command: readonly string[]) => idOf(await call("POST", "/containers/create", { Image: "bench", Cmd: command }));
  const remove = async (id: string) => void (await call("DELETE", `/containers/${id}?force=true`));
  const version = JSON.parse(await call("GET", "/version")) as { Version: string };

  return {
    name: `Docker Engine ${version.Version} through its API`,
    async create() {
      const id = await create(KEEPER);
      await call("POST", `/containers/${id}/start`);
      return id;
    },
    async exec(id, command) {
      const exec = idOf(await call("POST", `/containers/${id}/exec`, { Cmd: command, AttachStdout: true, AttachStderr: true }));
      await call("POST", `/exec/${exec}/start`, { Detach: false, Tty: false }, true);
    },
    remove,
    async run(command) {
      const start = performance.now();
      const id = await create(command);
      const printed = call("POST", `/containers/${id}/attach?stream=1&stdout=1&logs=1`, undefined, true);
      await call("POST", `/containers/${id}/start`);
      await printed;
      const ms = performance.now() - start;
      await remove(id);
      return ms;
    },
    pause: async (id) => void (await call("POST", `/containers/${id}/pause`)),
    unpause: async (id) => void (await call("POST", `/containers/${id}/unpause`)),
    [Symbol.asyncDispose]: end,
  };
}
