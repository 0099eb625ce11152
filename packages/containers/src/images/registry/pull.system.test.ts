// A real registry on this machine (Debian's docker-registry), filled by skopeo.
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { lstat, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type TestEntry, testTar } from "../archive/test-tar.ts";
import { BaseImages, type BaseImagesOptions } from "../bases/base-images.ts";
import { LayerStore } from "../layer-store.ts";
import type { RegistryLogin } from "./client.ts";

const missing = ["/usr/bin/docker-registry", "/usr/bin/skopeo"].filter((path) => !existsSync(path));
const reason = process.getuid?.() !== 0 ? "not root" : missing.length > 0 ? `${missing.join(", ")} not installed` : undefined;
if (reason !== undefined) console.log(`skipped: pulling from a local registry (${reason})`);

/** bcrypt of "open sesame". */
const HASH_OF_PASSWORD = "$2b$05$rwGi/cz0fsXhXiPV/Mw5M.F4sQklrphkcWH5MmpCL2Esr0eKjGss6";

const sha256 = (data: Buffer): string => `sha256:${createHash("sha256").update(data).digest("hex")}`;

/** An OCI layout directory with one image of these layers. */
async function writeLayout(dir: string, layers: readonly (readonly TestEntry[])[]): Promise<void> {
  await mkdir(join(dir, "blobs/sha256"), { recursive: true });
  const put = async (data: Buffer, mediaType: string): Promise<{ mediaType: string; digest: string; size: number }> => {
    await writeFile(join(dir, "blobs/sha256", sha256(data).slice(7)), data);
    return { mediaType, digest: sha256(data), size: data.length };
  };
  const tars = layers.map((entries) => testTar(entries));
  const blobs = [];
  for (const tar of tars) blobs.push(await put(gzipSync(tar), "application/vnd.oci.image.layer.v1.tar+gzip"));
  const architecture = process.arch === "arm64" ? "arm64" : "amd64";
  const config = {
    os: "linux",
    architecture,
    config: { Env: ["A=1"], WorkingDir: "/w" },
    rootfs: { type: "layers", diff_ids: tars.map(sha256) },
  };
  const manifest = {
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    config: await put(Buffer.from(JSON.stringify(config)), "application/vnd.oci.image.config.v1+json"),
    layers: blobs,
  };
  const entry = await put(Buffer.from(JSON.stringify(manifest)), manifest.mediaType);
  await writeFile(
    join(dir, "index.json"),
    JSON.stringify({ schemaVersion: 2, manifests: [{ ...entry, annotations: { "org.opencontainers.image.ref.name": "1" } }] }),
  );
  await writeFile(join(dir, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === "object" && address !== null ? address.port : 0;
}

/** A registry in `dir` with these further settings. */
async function startRegistry(dir: string, settings = ""): Promise<{ host: string; process: ChildProcess }> {
  const host = `127.0.0.1:${await freePort()}`;
  const config = `version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: ${dir}/storage}}\nhttp: {addr: "${host}"}\n`;
  await mkdir(dir, { recursive: true });
  await writeFile(join(dir, "registry.yml"), config + settings);
  const process = spawn("/usr/bin/docker-registry", ["serve", join(dir, "registry.yml")], { stdio: "ignore" });
  for (let up = false; !up; ) {
    up = await fetch(`http://${host}/v2/`).then(
      () => true,
      () => new Promise<boolean>((resolve) => setTimeout(resolve, 20, false)),
    );
  }
  return { host, process };
}

function push(layout: string, host: string, name: string, credentials: readonly string[] = []): void {
  const target = `docker://${host}/${name}`;
  execFileSync("skopeo", ["copy", "--insecure-policy", "--dest-tls-verify=false", ...credentials, `oci:${layout}:1`, target], {
    stdio: "ignore",
  });
}

describe.skipIf(reason !== undefined)("pulling from a registry", () => {
  let dir: string;
  let host: string;
  let store: LayerStore;
  let registry: ChildProcess;

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), "lydian-registry-"));
    ({ host, process: registry } = await startRegistry(join(dir, "open")));
    const first: TestEntry[] = [
      { path: "keep/", type: "directory" },
      { path: "keep/old", content: "old" },
      { path: "gone", content: "gone" },
      { path: "replaced/", type: "directory" },
      { path: "replaced/below", content: "below" },
    ];
    const second: TestEntry[] = [
      { path: ".wh.gone" },
      { path: "keep/.wh.old" },
      { path: "keep/new", content: "new" },
      { path: "replaced/", type: "directory", mode: 0o750 },
      { path: "replaced/.wh..wh..opq" },
      { path: "replaced/above", content: "above" },
    ];
    await writeLayout(join(dir, "good"), [first, second]);
    await writeLayout(join(dir, "evil"), [[{ path: "../../evil" }]]);
    for (const name of ["good", "evil"]) push(join(dir, name), host, `test/${name}:1`);
    store = await LayerStore.open({ dir: join(dir, "layers") });
  });
  afterAll(async () => {
    registry.kill();
    await rm(dir, { recursive: true, force: true });
  });

  interface Pull extends Omit<BaseImagesOptions, "store"> {
    readonly login?: RegistryLogin;
  }
  const pull = (name: string, { login, ...options }: Pull = {}) => {
    const lines: string[] = [];
    const bases = new BaseImages({ store, ...options });
    const image = bases.resolve(name, { onLog: ({ text }) => void lines.push(text), ...(login === undefined ? {} : { login }) });
    return { lines, image };
  };

  it("unpacks layers that an overlay mount merges as the image means them", async () => {
    const { layers, config } = await pull(`${host}/test/good:1`).image;
    expect(config).toMatchObject({ env: { A: "1" }, workdir: "/w" });
    const [below = "", above = ""] = layers.map((id) => store.path(id));
    expect((await lstat(join(above, "gone"))).isCharacterDevice()).toBe(true);
    const merged = join(dir, "merged");
    await mkdir(merged);
    execFileSync("mount", ["-t", "overlay", "overlay", "-o", `lowerdir=${above}:${below}`, merged]);
    try {
      const list = execFileSync("find", [".", "-mindepth", "1", "-printf", "%P %y\n"], { cwd: merged, encoding: "utf8" });
      expect(list.trim().split("\n").sort()).toEqual(["keep d", "keep/new f", "replaced d", "replaced/above f"]);
      expect((await lstat(join(merged, "replaced"))).mode & 0o777).toBe(0o750);
      expect(await readFile(join(merged, "replaced/above"), "utf8")).toBe("above");
    } finally {
      execFileSync("umount", [merged]);
    }
  });

  it("does not ask the registry again for a name that it has pulled", async () => {
    const { lines, image } = pull(`${host}/test/good:1`);
    await image;
    expect(lines).toEqual([]);
  });

  it("refuses an archive that leads outside, and keeps nothing of it", async () => {
    await expect(pull(`${host}/test/evil:1`).image).rejects.toMatchObject({
      kind: "corrupt",
      message: expect.stringMatching(/leads outside/),
    });
  });

  it("says that a tag does not exist", async () => {
    await expect(pull(`${host}/test/good:2`).image).rejects.toMatchObject({
      kind: "invalid",
      message: expect.stringMatching(/has no image ".*good:2"/),
    });
  });

  it("logs in where an image is not given without, and keeps it for those with the login", async () => {
    await mkdir(join(dir, "closed"));
    await writeFile(join(dir, "closed/users"), `ada:${HASH_OF_PASSWORD}\n`);
    const closed = await startRegistry(join(dir, "closed"), `auth: {htpasswd: {realm: test, path: ${dir}/closed/users}}\n`);
    try {
      push(join(dir, "good"), closed.host, "private/good:1", ["--dest-creds", "ada:open sesame"]);
      const name = `${closed.host}/private/good:1`;
      const login = { username: "ada", password: "open sesame", fingerprint: "ada's" };
      await expect(pull(name).image).rejects.toMatchObject({
        kind: "invalid",
        message: expect.stringMatching(/without a login.*REGISTRY_USERNAME/),
      });
      const wrong = pull(name, { login: { ...login, password: "simsalabim", fingerprint: "wrong" } }).image;
      await expect(wrong).rejects.toMatchObject({ kind: "invalid", message: expect.stringMatching(/to the user "ada"/) });
      expect((await pull(name, { login }).image).layers).toHaveLength(2);
      expect(await new BaseImages({ store }).remembered(name, login)).toBeDefined();
      await expect(pull(name).image).rejects.toMatchObject({ kind: "invalid" });
    } finally {
      closed.process.kill();
    }
  });

  it("asks the mirror of a registry first, and gives it no login", async () => {
    const login = { username: "ada", password: "open sesame", fingerprint: "ada's" };
    const mirrors = { "docker.io": `http://${host}`, "registry.example": `http://${host}` };
    expect((await pull("test/good:1", { mirrors, hub: "never" }).image).layers).toHaveLength(2);
    const { image, lines } = pull("registry.example/test/good:1", { mirrors, login });
    expect((await image).layers).toHaveLength(2);
    expect(lines[0]).toBe(`Pulling registry.example/test/good:1 from ${host}.`);
    // So it is there for those without.
    expect(await new BaseImages({ store }).remembered("registry.example/test/good:1")).toBeDefined();
  });

  it("goes on to the registry itself when the mirror lacks an image, or is away", async () => {
    const mirrors = { [host]: `http://127.0.0.1:${await freePort()}`, "docker.io": `http://${host}` };
    push(join(dir, "good"), host, "test/good:away");
    const away = pull(`${host}/test/good:away`, { mirrors });
    expect((await away.image).layers).toHaveLength(2);
    const lacking = pull("test/nothing:1", { mirrors, hub: "never" });
    await expect(lacking.image).rejects.toMatchObject({ kind: "unreachable", message: expect.stringMatching(/switched off/) });
    expect(lacking.lines).toContainEqual(expect.stringMatching(/^The mirror .* did not give test\/nothing:1: .* has no image/));
  });

  it("says what to do when a registry cannot be reached and there is no recipe", async () => {
    await expect(pull("python:3.12-alpine", { hub: "never" }).image).rejects.toMatchObject({
      kind: "unreachable",
      message: expect.stringMatching(/"python:3.12-alpine" cannot be had: Docker Hub is switched off.*no built-in recipe.*python:/),
    });
    await expect(pull(`127.0.0.1:${await freePort()}/x:1`).image).rejects.toMatchObject({ kind: "unreachable" });
  });
});
