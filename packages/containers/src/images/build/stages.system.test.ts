// Dockerfiles of several stages, in real containers.
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createHost } from "../../create-host.ts";
import type { ContainerHost } from "../../host.ts";
import { BaseImages } from "../bases/base-images.ts";
import { testLayerStore } from "../testing.ts";
import { ImageBuilder } from "./builder.ts";
import type { ContextFile } from "./context.ts";

const reason = process.platform !== "linux" || process.getuid?.() !== 0 ? "not root on Linux" : undefined;
if (reason !== undefined) console.log(`skipped: stages of image builds (${reason})`);

describe.skipIf(reason !== undefined)("stages", () => {
  let dir: string;
  let host: ContainerHost;
  let builder: ImageBuilder;
  const run = String(process.hrtime.bigint());

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), "lydian-stages-"));
    host = await createHost({ kind: "oci", stateDir: join(dir, "state") });
    const store = await testLayerStore();
    builder = new ImageBuilder({ store, host, bases: new BaseImages({ store, hub: "never" }) });
  });
  afterAll(async () => {
    await host?.[Symbol.asyncDispose]();
    await rm(dir, { recursive: true, force: true });
  });

  const build = async (lines: string[], context: ContextFile[] = []) => {
    const log: string[] = [];
    const image = await builder.build({ lines, context }, { onLog: ({ text }) => void log.push(text) });
    return { image, log };
  };

  it("copies out of earlier stages what they mean, deletions and links included", async () => {
    const lines = [
      "ARG SUITE=12",
      "FROM debian:$SUITE-slim AS unused",
      "RUN exit 1",
      "FROM debian:$SUITE-slim AS build",
      `RUN mkdir -p /out/sub && cd /out && echo ${run} >a && echo gone >b && ln -s a link && touch skip.md sub/keep && chmod 700 sub && chmod 4755 a`,
      "RUN rm -r /out/b && ln -s /out /abs",
      "FROM build AS second",
      "RUN rm -rf /out/sub && mkdir /out/sub && touch /out/sub/new",
      "FROM debian:12-slim",
      "ARG SUITE",
      "HEALTHCHECK NONE",
      "COPY --from=build --exclude=*.md /abs/ /lib/copied/",
      "COPY --from=second --chown=1000:1000 --chmod=640 /out/sub/n* /new",
      "COPY --from=2 /out/a /etc/",
      `RUN cd /usr/lib/copied && ls -1 . sub && stat -c '%a %u %n' a sub /etc/a && cat link && stat -c '%a %u %g %n' /new; ls -ld /lib; echo suite $SUITE ${run}`,
    ];
    const { log } = await build(lines);
    expect(log).toEqual(
      expect.arrayContaining(["4755 0 a", "700 0 sub", "keep", run, "4755 0 /etc/a", "640 1000 1000 /new", `suite 12 ${run}`]),
    );
    expect(log.some((line) => line.includes("/lib -> usr/lib"))).toBe(true);
    for (const gone of ["b", "skip.md", "new"]) expect(log).not.toContain(gone);
    expect((await build(lines)).log.filter((line) => line === "cached").length).toBeGreaterThanOrEqual(7);
    expect(await builder.cached({ lines })).toBeDefined();
  });

  it("shows mounts to a command and keeps nothing of them", async () => {
    const text = `from the context ${run}\n`;
    const file: ContextFile = {
      path: "/data/file.txt",
      sha256: `${run}${"0".repeat(64)}`.slice(0, 64),
      mode: 0o644,
      content: { data: Buffer.from(text) },
    };
    const mounts = [
      "--mount=type=cache,target=/root/.cache",
      "--mount=type=bind,source=data,target=data",
      "--mount=from=tools,source=/etc/tool,target=/run/tool",
      "--mount=type=tmpfs,target=/scratch",
    ];
    const { log } = await build(
      [
        "FROM debian:12-slim AS tools",
        `RUN echo tool ${run} >/etc/tool`,
        "FROM debian:12-slim",
        "WORKDIR /srv",
        `RUN ${mounts.join(" ")} touch /root/.cache/x /scratch/x && cat data/file.txt /run/tool && ! touch data/y 2>/dev/null`,
        `RUN ls -A /root/.cache /scratch data /run/tool; wc -c /run/tool; echo ${run}`,
      ],
      [file],
    );
    expect(log).toEqual(expect.arrayContaining([text.trimEnd(), `tool ${run}`, "0 /run/tool"]));
    expect(log).not.toContain("x");
  });

  it.each(["gz", "xz"])("unpacks an archive that is added (%s)", async (kind) => {
    const tree = join(dir, `tree-${kind}`);
    await mkdir(join(tree, "sub"), { recursive: true });
    await writeFile(join(tree, "sub/file"), `unpacked ${run}\n`);
    const archive = join(dir, `files.tar.${kind}`);
    await promisify(execFile)("tar", ["--create", "--auto-compress", "--owner=1234", "--file", archive, "--directory", tree, "."]);
    const data = await readFile(archive);
    const sha256 = createHash("sha256").update(data).digest("hex");
    const { log } = await build(
      ["FROM debian:12-slim", `ADD files.tar.${kind} /lib/x/`, `RUN cat /usr/lib/x/sub/file; stat -c '%u %n' /usr/lib/x/sub; echo ${run}`],
      [{ path: `/files.tar.${kind}`, sha256, mode: 0o644, content: { data } }],
    );
    expect(log).toEqual(expect.arrayContaining([`unpacked ${run}`, "1234 /usr/lib/x/sub"]));
  });

  it("names what another stage does not have", async () => {
    const lines = ["FROM debian:12-slim AS build", "FROM scratch", "COPY --from=build /nope /"];
    await expect(build(lines)).rejects.toThrow(/Line 3 .*"\/nope" is not in build/);
  });
});
