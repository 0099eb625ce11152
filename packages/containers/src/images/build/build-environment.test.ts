import { describe, expect, it } from "vitest";
import { buildEnvironment } from "./build-environment.ts";

describe("buildEnvironment", () => {
  it("hands on how to reach the network, without the passwords of registries", () => {
    const env = buildEnvironment({
      hostEnv: {
        https_proxy: "http://me:secret@proxy:3128",
        AWS_SECRET_ACCESS_KEY: "x",
        NO_PROXY: "",
      },
      pip: { PIP_INDEX_URL: "https://me:secret@pypi.example/simple", PIP_EXTRA_INDEX_URL: "https://me:secret@a.example https://b.example" },
      npmRegistry: "https://token@npm.example/",
      hasHostCertificates: true,
    });
    expect(env).toMatchObject({
      https_proxy: "http://me:secret@proxy:3128",
      PIP_INDEX_URL: "https://pypi.example/simple",
      PIP_EXTRA_INDEX_URL: "https://a.example https://b.example",
      UV_DEFAULT_INDEX: "https://pypi.example/simple",
      npm_config_registry: "https://npm.example/",
      PIP_CERT: "/etc/ssl/certs/ca-certificates.crt",
    });
    expect(Object.keys(env)).not.toContain("AWS_SECRET_ACCESS_KEY");
    expect(Object.keys(env)).not.toContain("NO_PROXY");
  });

  it("leaves certificates alone in images that have none of this machine", () => {
    const env = buildEnvironment({ hostEnv: {}, hasHostCertificates: false });
    expect(Object.keys(env).filter((name) => /CERT|REGISTRY|CA_/i.test(name))).toEqual([]);
  });
});
