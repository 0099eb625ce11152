// Images of registries: those that want a login, and names that no registry within reach has.
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { cached } from "../cache.ts";
import { Registry } from "../registry.ts";
import { RunningCommand, resultsOf, runCommand } from "../run-command.ts";
import { clientsFor, describeWithPython, programs, TestServer } from "./clients.ts";

const SERVICE_ACCOUNT = '{"type": "service_account"}';
const AWS = {
  AWS_ACCESS_KEY_ID: "AKIDEXAMPLE",
  AWS_SECRET_ACCESS_KEY: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
  AWS_REGION: "eu-central-1",
};
/** Bcrypt of "open sesame", and of the service account's key. */
const registry = new Registry({
  AWS: "$2b$05$rwGi/cz0fsXhXiPV/Mw5M.F4sQklrphkcWH5MmpCL2Esr0eKjGss6",
  _json_key: "$2b$05$rwGi/cz0fsXhXiPV/Mw5M.KRtpgVbp8gYQqBWE/QcK90k4pq3EYPa",
});

const hasHub = await fetch("https://registry-1.docker.io/v2/", { signal: AbortSignal.timeout(3_000) }).then(
  () => true,
  () => false,
);
if (hasHub) console.log("skipped: a base image that cannot be reached (Docker Hub can)");

let ecr: RunningCommand | undefined;
beforeAll(async () => {
  const python = await cached("botocore", {}, async (dir) => {
    for (const [command, ...args] of [
      ["python3", "-m", "venv", dir],
      [join(dir, "bin/python"), "-m", "pip", "install", "--quiet", "botocore"],
    ] as const) {
      const { code, output } = await runCommand(command, args, { env: process.env });
      if (code !== 0) throw new Error(`${command} ${args.join(" ")} failed:\n${output}`);
    }
  });
  ecr = new RunningCommand(join(python, "bin/python"), [join(programs, "ecr.py")], { env: process.env });
  const [, url] = await ecr.printed(/listening on (\S+)/);
  // The server is started with it.
  process.env.AWS_ENDPOINT_URL_ECR = url;
});
afterAll(async () => {
  ecr?.process.kill();
  await ecr?.ended;
});

const server = new TestServer();
/** In the place of Docker Hub. */
const hub = new Registry();
const mirrored = new TestServer(() => ["--registry-mirror", `docker.io=http://${hub.host}`], { ownLayers: true });

describeWithPython.each(clientsFor("rest"))("Python %s", (version) => {
  const isNew = version.startsWith("1.6");
  const run = async (env: Record<string, string> = {}) => {
    const client = await server.client(version);
    // Another name each time, so that the image is pulled and not found among what was pulled before.
    const IMAGE = await registry.push(`private/bare-${process.hrtime.bigint()}:1`, { login: "AWS:open sesame" });
    const variables = { IMAGE, SERVICE_ACCOUNT_JSON: SERVICE_ACCOUNT, ...AWS, ...(isNew && { REGISTRY_SECRET: "1" }), ...env };
    return client.modal(["run", "private.py"], { env: variables });
  };

  it("logs in to a registry with a key of AWS, or of Google", async () => {
    const ended = await run();
    expect(resultsOf(ended), ended.output).toEqual({
      ecr: "(3, 12)",
      artifacts: "(3, 13)",
      inferred: isNew ? "((3, 12), True)" : "((3, 12), False)",
    });
    expect(ended.code).toBe(0);
  });

  it("says what AWS answers to a wrong key, without the key", async () => {
    const { code, output } = await run({ AWS_SECRET_ACCESS_KEY: "guessed" });
    expect(code).toBe(1);
    expect(output.replaceAll(/\s+/g, " ")).toMatch(/AWS gives no login .*InvalidSignatureException.*ecr:GetAuthorizationToken/);
    expect(output).not.toContain("guessed");
  });

  it.skipIf(hasHub)("says of micromamba what could not be reached", async () => {
    const client = await server.client(version);
    const { code, output } = await client.modal(["run", "conda.py"]);
    expect(code).toBe(1);
    expect(output.replaceAll(/\s+/g, " ")).toMatch(
      /The image "mambaorg\/micromamba:[\w.-]+" cannot be had: Docker Hub could not be reached/,
    );
  });

  it("builds on micromamba where its image can be pulled", async () => {
    // No package registry has the real program or what it installs: this one writes down what it is asked.
    const above = await layerOf({
      "usr/local/bin/_dockerfile_shell.sh": '#!/bin/bash\nACTIVATED=$MAMBA_DOCKERFILE_ACTIVATE exec /bin/bash -o pipefail -c "$@"\n',
      "usr/bin/micromamba": '#!/bin/sh\necho "$ACTIVATED $*" >> /asked.txt\n',
    });
    await hub.push("mambaorg/micromamba:2.1.1-debian12-slim", { above: [above] });
    await rm(dirname(above), { recursive: true });
    const client = await mirrored.client(version);
    const ended = await client.python(["conda_built.py"], { env: { MODAL_IMAGE_BUILDER_VERSION: "2025.06" } });
    expect(resultsOf(ended), ended.output).toEqual({ built: "True" });
    const asked = ended.output.split("\n").filter((line) => /^1 install /.test(line));
    expect(asked).toEqual([
      expect.stringMatching(/^1 install -n base -y python=3\.12\S* pip -c conda-forge$/),
      "1 install numpy=2.* -c conda-forge --yes",
      "1 install -f /environment.yml -n base -c conda-forge --yes",
    ]);
  });
});

/** A tar file with these programs. */
async function layerOf(files: Readonly<Record<string, string>>): Promise<string> {
  const dir = await mkdtemp("/var/tmp/lydian-layer-");
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(dir, "root", path)), { recursive: true });
    await writeFile(join(dir, "root", path), text, { mode: 0o755 });
  }
  const { code, output } = await runCommand("tar", ["-cf", join(dir, "layer.tar"), "-C", join(dir, "root"), "."], { env: process.env });
  if (code !== 0) throw new Error(output);
  return join(dir, "layer.tar");
}
