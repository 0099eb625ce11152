// A real registry on this machine, with users, and a small image in it that has a shell and a C library, but no Python.
import { createHash } from "node:crypto";
import { access, mkdtemp, open, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll } from "vitest";
import { cached } from "./cache.ts";
import { debianFiles } from "./debian-files.ts";
import { RunningCommand, runCommand } from "./run-command.ts";

/** User → bcrypt of the password. */
export type Users = Readonly<Record<string, string>>;

/** More than a few bytes of config and manifest. */
interface Blob {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

/** A layer as a tar file: Debian without what would make it a system, with bash as its shell and these packages. */
export async function bareLayer(more: readonly string[] = [], links: Readonly<Record<string, string>> = {}): Promise<string> {
  const packages = ["bash", "coreutils", "debianutils", ...more];
  const allLinks = { "bin/sh": "bash", ...links };
  const dir = await cached("bare-debian", { packages, allLinks }, async (target) => {
    const { code, output } = await runCommand(
      "mmdebstrap",
      [
        "--mode=root",
        "--variant=extract",
        `--include=${packages.join(",")}`,
        "--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr",
        ...Object.entries(allLinks).map(([link, to]) => `--extract-hook=ln -sfn ${to} "$1/${link}"`),
        "--format=tar",
        "bookworm",
        join(target, "layer.tar"),
      ],
      { env: process.env },
    );
    if (code !== 0) throw new Error(`mmdebstrap failed:\n${output}`);
  });
  return join(dir, "layer.tar");
}

export interface PushOptions {
  /** `user:password` */
  readonly login?: string;
  /** Default: the bare image. */
  readonly layers?: readonly string[];
  readonly above?: readonly string[];
  readonly env?: readonly string[];
}

/** Debian's `docker-registry`, installed or unpacked for the tests. */
async function registryProgram(): Promise<string> {
  const installed = "/usr/bin/docker-registry";
  const isThere = await access(installed).then(
    () => true,
    () => false,
  );
  return isThere ? installed : join(await debianFiles(["docker-registry"]), "usr/bin/docker-registry");
}

/** A registry of the file's own. Without users, everybody may read and write. */
export class Registry {
  /** `127.0.0.1:<port>` */
  host = "";
  #dir = "";
  #command: RunningCommand | undefined;

  /** To be called once, outside of tests. */
  constructor(users: Users = {}) {
    beforeAll(async () => {
      this.#dir = await mkdtemp("/var/tmp/lydian-registry-");
      const settings = [`version: 0.1`, `storage: {filesystem: {rootdirectory: ${this.#dir}/storage}}`, `http: {addr: "127.0.0.1:0"}`];
      if (Object.keys(users).length > 0) {
        const lines = Object.entries(users).map(([name, hash]) => `${name}:${hash}\n`);
        await writeFile(join(this.#dir, "users"), lines.join(""));
        settings.push(`auth: {htpasswd: {realm: test, path: ${this.#dir}/users}}`);
      }
      await writeFile(join(this.#dir, "registry.yml"), `${settings.join("\n")}\n`);
      // It is told no port, and says which one it was given.
      this.#command = new RunningCommand(await registryProgram(), ["serve", join(this.#dir, "registry.yml")], {
        env: { PATH: process.env.PATH },
      });
      [, this.host = ""] = await this.#command.printed(/listening on (127\.0\.0\.1:\d+)/);
    });
    afterAll(async () => {
      this.#command?.process.kill();
      await this.#command?.ended;
      await rm(this.#dir, { recursive: true, force: true });
    });
  }

  /** Stores an image of these layers (tar files, bottom first) under `repository:tag`. Resolves with its full name. */
  async push(name: string, { login, layers: below, above = [], env = [] }: PushOptions = {}): Promise<string> {
    const [repository = "", tag = ""] = name.split(":");
    const base = `http://${this.host}/v2/${repository}`;
    const headers: Record<string, string> = login === undefined ? {} : { authorization: `Basic ${Buffer.from(login).toString("base64")}` };
    const put = async (path: string, mediaType: string): Promise<Blob> => {
      const { size } = await stat(path);
      const hash = createHash("sha256");
      const file = await open(path);
      for await (const chunk of file.createReadStream()) hash.update(chunk as Buffer);
      const digest = `sha256:${hash.digest("hex")}`;
      const started = await send(`${base}/blobs/uploads/`, { method: "POST", headers });
      const upload = new URL(started.headers.get("location") ?? "", base);
      upload.searchParams.set("digest", digest);
      await send(upload.href, {
        method: "PUT",
        headers: { ...headers, "content-type": "application/octet-stream" },
        body: await readFile(path),
      });
      return { mediaType, digest, size };
    };
    const layers: Blob[] = [];
    for (const path of [...(below ?? [await bareLayer()]), ...above])
      layers.push(await put(path, "application/vnd.oci.image.layer.v1.tar"));
    const config = join(this.#dir, "config.json");
    const architecture = process.arch === "x64" ? "amd64" : process.arch;
    const rootfs = { type: "layers", diff_ids: layers.map(({ digest }) => digest) };
    await writeFile(config, JSON.stringify({ os: "linux", architecture, config: { Env: env }, rootfs }));
    const mediaType = "application/vnd.oci.image.manifest.v1+json";
    const manifest = { schemaVersion: 2, mediaType, config: await put(config, "application/vnd.oci.image.config.v1+json"), layers };
    await send(`${base}/manifests/${tag}`, {
      method: "PUT",
      headers: { ...headers, "content-type": mediaType },
      body: JSON.stringify(manifest),
    });
    return `${this.host}/${name}`;
  }
}

async function send(url: string, options: RequestInit): Promise<Response> {
  const answer = await fetch(url, options);
  if (!answer.ok) throw new Error(`${options.method} ${url} was answered with ${answer.status}: ${await answer.text()}`);
  return answer;
}
