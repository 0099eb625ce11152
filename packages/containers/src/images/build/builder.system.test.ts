// Real builds on the shared base image. The first run on a machine makes it (about half a minute).
import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createHost } from "../../create-host.ts";
import type { ContainerHost } from "../../host.ts";
import { BaseImages } from "../bases/base-images.ts";
import type { LayerStore } from "../layer-store.ts";
import { testLayerStore } from "../testing.ts";
import { ImageBuilder } from "./builder.ts";
import type { ContextFile, ImageRecipe } from "./context.ts";

const reason = process.platform !== "linux" || process.getuid?.() !== 0 ? "not root on Linux" : undefined;
if (reason !== undefined) console.log(`skipped: image builds (${reason})`);

describe.skipIf(reason !== undefined)("image builds", () => {
  let dir: string;
  let host: ContainerHost;
  let store: LayerStore;
  let builder: ImageBuilder;
  /** Makes every test run build anew what it is about. */
  const run = String(process.hrtime.bigint());

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), "lydian-build-"));
    host = await createHost({ kind: "oci", stateDir: join(dir, "state") });
    store = await testLayerStore();
    builder = new ImageBuilder({ store, host, bases: new BaseImages({ store, hub: "never" }) });
  });
  afterAll(async () => {
    await host?.[Symbol.asyncDispose]();
    await rm(dir, { recursive: true, force: true });
  });

  const build = async (recipe: ImageRecipe, signal?: AbortSignal) => {
    const lines: string[] = [];
    const image = await builder.build(recipe, { onLog: ({ text }) => void lines.push(text), ...(signal === undefined ? {} : { signal }) });
    return { image, lines, top: store.path(image.layers.at(-1) ?? "") };
  };
  const file = (path: string, text: string, mode = 0o644): ContextFile => ({
    path,
    sha256: `${text}${"0".repeat(64)}`.slice(0, 64),
    mode,
    content: { data: Buffer.from(text) },
  });

  it("shows secrets to commands and keeps them nowhere; whoever has others builds anew", async () => {
    const lines = ["FROM node:24-slim", `RUN printf %s "$TOKEN" | wc -c >/length; echo ${run}`];
    const withToken = (token: string) => build({ lines, secrets: { env: { TOKEN: token }, fingerprint: `print of ${token}` } });
    const first = await withToken("correct horse");
    expect(await readFile(join(first.top, "length"), "utf8")).toBe("13\n");
    expect(await readdir(first.top)).toEqual(["length"]);
    expect(JSON.stringify(first)).not.toContain("horse");
    expect((await withToken("correct horse")).lines).toContain("cached");
    expect(await readFile(join((await withToken("x")).top, "length"), "utf8")).toBe("1\n");
    expect(await readFile(join((await build({ lines })).top, "length"), "utf8")).toBe("0\n");
  });

  it("makes Debian with Node and npm, and finds it again without any network", async () => {
    const first = await build({ lines: ["FROM node:24-slim"] });
    expect(first.image.config.env.NODE_VERSION).toMatch(/^24\./);
    const again = await build({ lines: ["FROM node:24-bookworm-slim"] });
    expect(again.image.layers[0]).toBe(first.image.layers[0]);
    expect((await build({ lines: ["FROM node:24-slim"] })).lines).toEqual(["Step 1/1: FROM node:24-slim"]);
    expect(await builder.cached({ lines: ["FROM node:24-slim"] })).toEqual(first.image);
  }, 300_000);

  it("installs with apt and npm, and runs what it has installed", async () => {
    const recipe = {
      lines: [
        "FROM node:24-slim",
        `ENV RUN_ID=${run}`,
        "RUN apt-get update && apt-get install -y --no-install-recommends jq",
        "RUN npm install -g is-number@7 && ls /usr/local/lib/node_modules",
        'RUN ["jq", "--version"]',
      ],
    };
    const { lines } = await build(recipe);
    expect(lines).toContain("is-number");
    expect(lines.some((line) => /^jq-1/.test(line))).toBe(true);
    const again = await build(recipe);
    expect(again.lines.filter((line) => line === "cached")).toHaveLength(3);
  }, 300_000);

  it("copies files where links lead, and leaves the image's own directories as they are", async () => {
    const context = [
      file("/lib/in-lib", "a\n"),
      file("/tmp/in-tmp", "b"),
      file("/root/run.sh", "#!/bin/sh\necho from the context\n", 0o755),
    ];
    const { lines, top } = await build({
      lines: [
        "FROM node:24-slim",
        `LABEL run=${run}`,
        "COPY . /",
        `RUN : ${run}; /root/run.sh; cat /usr/lib/in-lib; stat -c %a%n /tmp /root; ls -ld /lib`,
      ],
      context,
    });
    expect(lines).toEqual(expect.arrayContaining(["from the context", "1777/tmp", "700/root"]));
    expect(lines.some((line) => line.includes("/lib -> usr/lib"))).toBe(true);
    expect((await stat(top)).isDirectory()).toBe(true);
  });

  it("gives steps their directory, variables, shell and user", async () => {
    const { lines, image } = await build({
      lines: [
        "FROM node:24-slim",
        "ARG GREETING",
        "ENV NAME=world",
        "WORKDIR /srv/app",
        'SHELL ["/bin/bash", "-ec"]',
        `RUN [[ x == x ]] && echo "$GREETING $NAME from $PWD as $(id -un) ${run}"`,
        "USER 1000:1000",
        `RUN echo "now $(id -u):$(id -g) ${run}"`,
        'CMD ["node"]',
      ],
      buildArgs: { GREETING: "hello" },
    });
    expect(lines).toEqual(expect.arrayContaining([`hello world from /srv/app as root ${run}`, `now 1000:1000 ${run}`]));
    expect(image.config).toMatchObject({ workdir: "/srv/app", user: "1000:1000", cmd: ["node"], shell: ["/bin/bash", "-ec"] });
    expect(image.config.env).not.toHaveProperty("GREETING");
    expect(image.config.env).not.toHaveProperty("DEBIAN_FRONTEND");
  });

  it("keeps what a step deletes deleted", async () => {
    const { lines } = await build({
      lines: [
        "FROM debian:12-slim",
        `RUN mkdir /d && touch /d/a /d/b /${run}`,
        `RUN rm -r /d && mkdir /d && touch /d/c && rm /${run}`,
        "RUN ls /d; ls -d /[0-9]* || echo gone",
      ],
    });
    expect(lines).toEqual(expect.arrayContaining(["c", "gone"]));
    expect(lines).not.toContain("a");
  });

  it("shows a failed step's command, last output and exit code, and keeps the steps before it", async () => {
    const lines = ["FROM node:24-slim", `RUN echo first ${run}`, `RUN echo about to fail ${run}; echo why >&2; exit 42`];
    await expect(build({ lines })).rejects.toMatchObject({
      kind: "step_failed",
      exitCode: 42,
      message: expect.stringMatching(/^Step 3 \(RUN echo about to fail .*\) failed with exit code 42\. Its last output:\n[\s\S]*why/),
    });
    expect((await build({ lines: lines.slice(0, 2) })).lines).toContain("cached");
  });

  it("stops the container when the build is cancelled", async () => {
    const controller = new AbortController();
    const recipe = { lines: ["FROM node:24-slim", `RUN echo started ${run}; sleep 600`] };
    const result = builder.build(recipe, {
      signal: controller.signal,
      onLog: ({ text }) => void (text.startsWith("started") && controller.abort()),
    });
    await expect(result).rejects.toMatchObject({ kind: "cancelled" });
    expect(await builder.cached(recipe)).toBeUndefined();
  });

  it("runs a step once for builds that want it at the same time", async () => {
    const recipe = { lines: ["FROM node:24-slim", `RUN echo once ${run} && sleep 1`] };
    const logs = await Promise.all([build(recipe), build(recipe)]);
    expect(logs.flatMap(({ lines }) => lines).filter((line) => line === `once ${run}`)).toHaveLength(1);
  });

  it("leaves nothing of the machine's settings in a layer", async () => {
    const { top } = await build({ lines: ["FROM debian:12-slim", `RUN env > /env-${run}`] });
    expect(await readFile(join(top, `env-${run}`), "utf8")).toContain("DEBIAN_FRONTEND=noninteractive");
    expect((await readdir(top)).sort()).toEqual([`env-${run}`]);
  });
});
