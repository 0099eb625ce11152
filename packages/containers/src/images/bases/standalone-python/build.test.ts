import { describe, expect, it } from "vitest";
import { contextImage } from "../../build/context-images.ts";
import { parseReference } from "../../registry/reference.ts";
import { recipeFor } from "../recipes.ts";
import { hasPythonLink, standaloneImageName } from "./build.ts";
import { embeddedBuild, goProxy } from "./go-module.ts";
import { chooseWheel } from "./image.ts";
import { archiveName, sumOf } from "./releases.ts";

describe("builds of python-build-standalone", () => {
  it.each([
    ["python-build-standalone.20240107.3.12.1-gnu", { release: "20240107", version: "3.12.1", freeThreaded: false, libc: "gnu" }],
    ["python-build-standalone.20251209.3.14.2t-gnu", { release: "20251209", version: "3.14.2", freeThreaded: true, libc: "gnu" }],
    ["python-build-standalone.20261021.3.15.1-musl", { release: "20261021", version: "3.15.1", freeThreaded: false, libc: "musl" }],
  ])("reads %s, which a client asks for, as an image that is made here", (name, standalone) => {
    expect(recipeFor(parseReference(standaloneImageName(name) ?? ""))).toEqual({ standalone });
  });

  it.each(["modal-client-mount-1.6.4", "python-build-standalone.x-gnu", "python-build-standalone.20240107.3.12.1-gnu/../x"])(
    "takes %s for another mount",
    (name) => expect(standaloneImageName(name)).toBeUndefined(),
  );

  it("names the archive of its processor and C library", () => {
    const build = { release: "20240107", version: "3.12.1", freeThreaded: false, libc: "gnu" } as const;
    expect(archiveName(build, "x64")).toBe("cpython-3.12.1+20240107-x86_64-unknown-linux-gnu-install_only.tar.gz");
    expect(archiveName({ ...build, freeThreaded: true, libc: "musl" }, "arm64")).toBe(
      "cpython-3.12.1+20240107-aarch64-unknown-linux-musl-freethreaded-install_only.tar.gz",
    );
    expect(hasPythonLink(build)).toBe(false);
    expect(hasPythonLink({ release: "20241008" })).toBe(true);
  });

  it("finds a digest by the whole name of a file", () => {
    const digest = "a".repeat(64);
    expect(sumOf(`${"b".repeat(64)}  a.tar.gz.sig\n${digest}  a.tar.gz\n`, "a.tar.gz")).toBe(digest);
    expect(sumOf(`${digest}  a.tar.gz`, "a.tar")).toBeUndefined();
  });

  it("stands in for the same minor version only, and for no other C library", () => {
    const build = { release: "20240107", version: "3.12.1", freeThreaded: false, libc: "gnu" } as const;
    expect(embeddedBuild(build)?.version).toMatch(/^3\.12\./);
    for (const other of [{ version: "3.15.0" }, { freeThreaded: true }, { libc: "musl" as const }])
      expect(embeddedBuild({ ...build, ...other })).toBeUndefined();
  });

  it("asks the proxy that Go would ask first", () => {
    expect(goProxy({ GOPROXY: "https://go.example.com/,direct" })).toBe("https://go.example.com");
    expect(goProxy({ GOPROXY: "off" })).toBeUndefined();
    expect(goProxy({})).toMatch(/^https:/);
  });

  it("takes the newest wheel that runs on the Python", () => {
    const wheel = (version: string, requiresPython: string) => ({
      filename: `pip-${version}-py3-none-any.whl`,
      url: "",
      sha256: "",
      requiresPython,
    });
    const wheels = [wheel("9.0", ">=2.7"), wheel("26.3", ">=3.11"), wheel("26.2.1", ">=3.10"), wheel("27.0b1", ">=3.10")];
    expect(chooseWheel("pip", "3.10", wheels)?.filename).toContain("26.2.1");
    expect(chooseWheel("pip", "3.14", wheels)?.filename).toContain("26.3");
    expect(chooseWheel("setuptools", "3.14", wheels)).toBeUndefined();
  });
});

describe("folders of the context that are an image's", () => {
  const images = { "/python": "builds:1" };
  it.each([
    ["/python/. /usr/local", "builds:1"],
    ["python /usr/local", "builds:1"],
    ["/python/bin/* /python/lib /x", "builds:1"],
    ["/pythonic /x", undefined],
    ["/python /other /x", undefined],
    ["/python/../other /x", undefined],
  ])("COPY %s", (paths, image) => expect(contextImage({ paths }, images)).toBe(image));
});
