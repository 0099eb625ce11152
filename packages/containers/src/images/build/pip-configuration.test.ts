import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { hostPipVariables, parsePipFile } from "./pip-configuration.ts";

describe("parsePipFile", () => {
  it("reads what decides whether an index is reached, several indexes included", () => {
    const text = [
      "# comment",
      "[global]",
      "index-url = https://pypi.example/simple",
      "extra_index_url =",
      "    https://one.example/simple",
      "    https://two.example/simple",
      "cert = /etc/ssl/own.pem",
      "[freeze]",
      "timeout: 10",
      "[install]",
      "trusted-host: pypi.example",
    ].join("\n");
    expect(parsePipFile(text)).toEqual({
      PIP_INDEX_URL: "https://pypi.example/simple",
      PIP_EXTRA_INDEX_URL: "https://one.example/simple https://two.example/simple",
      PIP_TRUSTED_HOST: "pypi.example",
    });
  });

  it("reads any text without an error", () => {
    expect(parsePipFile("index-url = x\n[global\n=\n  y\n[global]\n: z")).toEqual({});
  });
});

describe("hostPipVariables", () => {
  it("lets variables win over files", async () => {
    const dir = await mkdtemp(join(tmpdir(), "lydian-pip-"));
    try {
      const file = join(dir, "pip.conf");
      await writeFile(file, "[global]\nindex-url = https://file.example/simple\nproxy = http://proxy:3128\n");
      const env = { HOME: dir, XDG_CONFIG_DIRS: dir, PIP_CONFIG_FILE: file, PIP_INDEX_URL: "https://env.example/simple" };
      expect(await hostPipVariables(env)).toMatchObject({ PIP_INDEX_URL: "https://env.example/simple", PIP_PROXY: "http://proxy:3128" });
      expect(await hostPipVariables({ PIP_CONFIG_FILE: "/dev/null" })).toEqual({});
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  });
});
