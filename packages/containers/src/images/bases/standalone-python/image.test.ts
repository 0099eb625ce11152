// Releases from a server of this test; the real ones are used in conformance/.
import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, readlink, rm } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { testTar } from "../../archive/test-tar.ts";
import { LayerStore } from "../../layer-store.ts";
import type { StandaloneBuild } from "./build.ts";
import { standalonePython } from "./image.ts";
import { archiveName } from "./releases.ts";

const build: StandaloneBuild = { release: "20240107", version: "3.12.1", freeThreaded: false, libc: "gnu" };
const newer: StandaloneBuild = { ...build, release: "20241008" };

let dir: string;
let server: Server;
let store: LayerStore;
const files = new Map<string, Buffer>();
const log: string[] = [];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "lydian-standalone-"));
  store = await LayerStore.open({ dir: join(dir, "layers"), minFreeMiB: 1 });
  files.clear();
  log.length = 0;
  server = createServer((request, response) => {
    const file = files.get(decodeURIComponent(request.url ?? ""));
    response.writeHead(file === undefined ? 404 : 200).end(file);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  vi.stubEnv("UV_PYTHON_INSTALL_MIRROR", `${url}/mirror/`);
  vi.stubEnv("GOPROXY", `${url}/go`);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  server.close();
  await rm(dir, { recursive: true, force: true });
});

function release(of: StandaloneBuild, { digest }: { digest?: string } = {}): void {
  const archive = gzipSync(
    testTar([
      { path: "python/bin/python3.12", content: "binary", mode: 0o755 },
      { path: "python/bin/python3", type: "symlink", link: "python3.12" },
      ...(of === build ? [{ path: "python/bin/python", type: "symlink" as const, link: "python3.12" }] : []),
      { path: "elsewhere/file", content: "not of Python" },
    ]),
  );
  const sha256 = digest ?? createHash("sha256").update(archive).digest("hex");
  files.set(`/mirror/${of.release}/SHA256SUMS`, Buffer.from(`${sha256}  ${archiveName(of)}\n`));
  files.set(`/mirror/${of.release}/${archiveName(of)}`, archive);
}

const make = async (of: StandaloneBuild): Promise<string> => {
  const image = await standalonePython(of, store, { onLog: ({ text }) => log.push(text) });
  return store.path(image.layers[0] ?? "");
};

describe("the image of a standalone Python", () => {
  it("has the release of a mirror, and bin/python only where the release's clients expect it", async () => {
    release(build);
    release(newer);
    const old = await make(build);
    expect(await readFile(join(old, "python/bin/python3"), "utf8")).toBe("binary");
    expect(await readdir(old)).toEqual(["python"]);
    expect((await readdir(join(old, "python/bin"))).sort()).toEqual(["python3", "python3.12"]);
    expect(await readlink(join(await make(newer), "python/bin/python"))).toBe("python3");
    server.close();
    expect(await make(build)).toBe(old);
  });

  it("refuses an archive that is not the release's, and keeps nothing of it", async () => {
    release(build, { digest: "0".repeat(64) });
    await expect(make(build)).rejects.toMatchObject({ kind: "corrupt", message: expect.stringContaining("sha256 differs") });
    expect((await readdir(join(dir, "layers"))).filter((name) => !name.startsWith("."))).toEqual([]);
  });

  it("says what was asked and what helps when nothing has the build", async () => {
    await expect(make(build)).rejects.toMatchObject({
      kind: "unreachable",
      message: expect.stringMatching(/CPython 3\.12\.1 .*SHA256SUMS answered 404; .*\/go\/.*answered 404\. Set UV_PYTHON_INSTALL_MIRROR/),
    });
    expect(log.join("\n")).toContain("CPython 3.12.3 of 20240415 stands for it");
  });

  it("refuses a Go module with another digest than the one that is written down", async () => {
    const module = "/go/github.com/kluctl/go-embed-python/@v/v0.0.0-3.12.3-20240415-1.zip";
    // An empty archive.
    files.set(module, Buffer.concat([Buffer.from("PK\x05\x06", "latin1"), Buffer.alloc(18)]));
    await expect(make(build)).rejects.toMatchObject({ kind: "corrupt", message: expect.stringContaining("checksum database") });
  });
});
