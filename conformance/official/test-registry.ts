// A real registry on this machine, which stands in for those that the official suites pull from.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll } from "vitest";
import { debianFiles } from "../debian-files.ts";
import { RunningCommand } from "../run-command.ts";
import { busyboxImage, type ImageParts } from "./busybox-image.ts";

/** Registry → image names that the suites use of it. */
const IMAGES: Readonly<Record<string, readonly string[]>> = {
  "docker.io": ["library/alpine:3.21", "library/alpine:3.13", "library/alpine:latest"],
  "us-east1-docker.pkg.dev": ["modal-prod-367916/private-repo-test/my-image:latest"],
  "459781239556.dkr.ecr.us-east-1.amazonaws.com": ["ecr-private-registry-test-7522615:python"],
};

/** A registry of the file's own. */
export class TestRegistry {
  #dir = "";
  #command: RunningCommand | undefined;
  #url = "";

  /** To be called once, outside of tests, before that of the server that uses it. */
  constructor() {
    beforeAll(async () => {
      const program = join(await debianFiles(["docker-registry"]), "usr/bin/docker-registry");
      this.#dir = await mkdtemp("/var/tmp/lydian-registry-");
      const settings = join(this.#dir, "registry.yml");
      // It is told no port, and says which one it was given.
      await writeFile(
        settings,
        `version: 0.1\nstorage: {filesystem: {rootdirectory: ${this.#dir}/storage}}\nhttp: {addr: "127.0.0.1:0"}\n`,
      );
      this.#command = new RunningCommand(program, ["serve", settings], { env: { PATH: process.env.PATH } });
      const [, host] = await this.#command.printed(/listening on (127\.0\.0\.1:\d+)/);
      this.#url = `http://${host}`;
      for (const image of Object.values(IMAGES).flat()) await this.push(image);
    });
    afterAll(async () => {
      this.#command?.process.kill();
      await this.#command?.ended;
      await rm(this.#dir, { recursive: true, force: true });
    });
  }

  /** An image of busybox under another name, `repository:tag`. */
  async push(name: string): Promise<void> {
    await push(this.#url, name, await busyboxImage(name));
  }

  /** With which a server takes the images of all these registries from it. */
  get flags(): readonly string[] {
    return Object.keys(IMAGES).flatMap((registry) => ["--registry-mirror", `${registry}=${this.#url}`]);
  }
}

async function push(url: string, name: string, { blobs, manifest, mediaType }: ImageParts): Promise<void> {
  const [repository, tag] = name.split(":");
  for (const [digest, body] of blobs) {
    const started = await send("POST", `${url}/v2/${repository}/blobs/uploads/`);
    const upload = new URL(started.headers.get("location") ?? "");
    upload.searchParams.set("digest", digest);
    await send("PUT", upload.href, body, "application/octet-stream");
  }
  await send("PUT", `${url}/v2/${repository}/manifests/${tag}`, manifest, mediaType);
}

async function send(method: string, url: string, body?: Buffer | string, type?: string): Promise<Response> {
  const answer = await fetch(url, {
    method,
    ...(body && { body: new Uint8Array(Buffer.from(body)) }),
    ...(type && { headers: { "content-type": type } }),
  });
  if (!answer.ok) throw new Error(`${method} ${url} was answered with ${answer.status}: ${await answer.text()}`);
  return answer;
}
