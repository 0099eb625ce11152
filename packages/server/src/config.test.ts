import { describe, expect, it } from "vitest";
import { resolveConfig } from "./config.ts";

const paths = { dataDir: "/data", runtimeDir: "/runtime" };
const withMirror = (registry: string, url: string) => () => resolveConfig({ ...paths, registryMirrors: { [registry]: url } });

describe("mirrors of registries", () => {
  it("are taken by the registry's name", () => {
    expect(resolveConfig(paths).registryMirrors).toEqual({});
    expect(withMirror("registry.example:5000", "http://mirror:5000")().registryMirrors).toEqual({
      "registry.example:5000": "http://mirror:5000",
    });
  });

  it.each([
    ["docker.io", "mirror.example", /docker\.io: the mirror is no http:\/\/ or https:\/\/ URL/],
    ["docker.io", "ftp://mirror.example", /no http/],
    ["docker.io", "https://ada:secret@mirror.example", /has a login: mirrors are asked without one/],
    ["docker/io", "https://mirror.example", /not the name of a registry, such as docker\.io/],
  ])("cannot be: %s from %s", (registry, url, why) => {
    expect(withMirror(registry, url)).toThrow(why);
    expect(withMirror(registry, url)).not.toThrow(/secret/);
  });
});
