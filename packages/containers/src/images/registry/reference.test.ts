import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { mirrorsOf, sourceLines } from "../bases/host-apt.ts";
import { newestVersion, npmLineFor } from "../bases/node-version.ts";
import { recipeFor } from "../bases/recipes.ts";
import { ImageError } from "../errors.ts";
import { parseChallenge } from "./client.ts";
import { readImageConfig, readManifest } from "./manifest.ts";
import { registryUrl } from "./reachable.ts";
import { formatReference, parseReference } from "./reference.ts";

const digest = `sha256:${"a".repeat(64)}`;

describe("parseReference", () => {
  it.each([
    ["node:24-slim", "docker.io/library/node:24-slim"],
    ["debian", "docker.io/library/debian:latest"],
    ["docker.io/library/node:24", "docker.io/library/node:24"],
    ["org/app", "docker.io/org/app:latest"],
    ["localhost:5000/a/b:1", "localhost:5000/a/b:1"],
    ["ghcr.io/astral-sh/uv:latest", "ghcr.io/astral-sh/uv:latest"],
    [`ghcr.io/x/y@${digest}`, `ghcr.io/x/y@${digest}`],
    ["[::1]:5000/x", "[::1]:5000/x:latest"],
  ])("reads %s", (name, full) => expect(formatReference(parseReference(name))).toBe(full));

  it.each(["", "UPPER", "a:b:c", "a//b", "node:ta g", "x@sha256:1", "http://x/y", "a/../b", "-a", "exa mple.com/x"])(
    "refuses %j",
    (name) => {
      expect(() => parseReference(name)).toThrow(ImageError);
    },
  );

  it("gives every name that it takes back in a form that means the same", () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[a-z0-9./:@-]{1,40}$/), (name) => {
        try {
          const once = formatReference(parseReference(name));
          expect(formatReference(parseReference(once))).toBe(once);
        } catch (error) {
          expect(error).toBeInstanceOf(ImageError);
        }
      }),
    );
  });

  it("uses plain HTTP only for this machine", () => {
    expect(registryUrl("localhost:5000")).toBe("http://localhost:5000");
    expect(registryUrl("127.0.0.1")).toBe("http://127.0.0.1");
    expect(registryUrl("localhost.example.com")).toBe("https://localhost.example.com");
    expect(registryUrl("docker.io")).toBe("https://registry-1.docker.io");
  });
});

describe("recipeFor", () => {
  it.each([
    ["node:24-slim", { suite: "bookworm", node: "24" }],
    ["node:22.1-trixie-slim", { suite: "trixie", node: "22.1" }],
    ["debian:12-slim", { suite: "bookworm" }],
    ["debian:bookworm-slim", { suite: "bookworm" }],
    ["node:24", undefined],
    ["node:24-alpine", undefined],
    ["node:24-12-slim", undefined],
    ["python:3.11.12-slim-bookworm", { suite: "bookworm", python: "3.11.12" }],
    ["python:3.13-slim-trixie", { suite: "trixie", python: "3.13" }],
    ["python:3-slim", { suite: "trixie", python: "3" }],
    ["python:3.14.2-slim-bookworm", { suite: "forky", python: "3.14.2" }],
    ["python:3.8-slim", undefined],
    ["python:3.11-alpine", undefined],
    ["ghcr.io/library/node:24-slim", undefined],
    ["ghcr.io/astral-sh/uv:latest", { uv: "" }],
    ["ghcr.io/astral-sh/uv:0.5.4", { uv: "0.5.4" }],
    ["ghcr.io/astral-sh/uv:python3.12-bookworm", undefined],
  ])("%s", (name, recipe) => expect(recipeFor(parseReference(name))).toEqual(recipe));
});

describe("newestVersion", () => {
  it("compares numbers, not text, and never takes a pre-release", () => {
    const versions = ["24.9.0", "24.10.1", "24.10.0", "25.0.0-rc.1", "2.4.0", "22.1.0"];
    expect(newestVersion("24", versions)).toBe("24.10.1");
    expect(newestVersion("24.10.0", versions)).toBe("24.10.0");
    expect(newestVersion("2", versions)).toBe("2.4.0");
    expect(newestVersion("25", versions)).toBeUndefined();
    expect([npmLineFor("22.1.0"), npmLineFor("24.0.0")]).toEqual(["10", "11"]);
  });
});

describe("the machine's apt", () => {
  it("uses its Debian mirror for any release, and no other repository", () => {
    const targets = [
      "https://deb.nodesource.com/node_20.x nodistro main Packages",
      "http://mirror.example/debian bookworm main Translations",
      "http://mirror.example/debian bookworm main Packages",
      "http://mirror.example/debian-security bookworm-security main Packages",
    ];
    expect(sourceLines("trixie", mirrorsOf(targets.join("\n")))).toEqual([
      "deb http://mirror.example/debian trixie main",
      "deb http://mirror.example/debian trixie-updates main",
      "deb http://mirror.example/debian-security trixie-security main",
    ]);
    expect(sourceLines("bookworm", mirrorsOf("http://archive.ubuntu.com/ubuntu noble main Packages"))[0]).toBe(
      "deb http://deb.debian.org/debian bookworm main",
    );
  });
});

describe("registry documents", () => {
  const bytes = (value: unknown) => Buffer.from(JSON.stringify(value));
  const descriptor = { mediaType: "application/vnd.oci.image.layer.v1.tar+gzip", digest, size: 1 };

  it("chooses this machine's platform from an index", () => {
    const index = {
      manifests: [
        { ...descriptor, digest: `sha256:${"b".repeat(64)}`, platform: { os: "linux", architecture: "arm64" } },
        { ...descriptor, platform: { os: "linux", architecture: "amd64" } },
      ],
    };
    expect(readManifest(bytes(index), "x", "x64")).toEqual({ digest });
    expect(() => readManifest(bytes(index), "x", "riscv64")).toThrow(
      /not made for linux\/riscv64. It exists for linux\/arm64, linux\/amd64/,
    );
  });

  it("reads configurations and refuses nonsense", () => {
    const config = { os: "linux", config: { Env: ["A=1=2", "PATH=/x"], WorkingDir: "/w", User: "", Entrypoint: null, Cmd: ["sh"] } };
    expect(readImageConfig(bytes(config), "x")).toEqual({ env: { A: "1=2", PATH: "/x" }, workdir: "/w", cmd: ["sh"] });
    expect(() => readManifest(bytes({ config: {}, layers: "x" }), "x")).toThrow(/cannot be read/);
    expect(() => readManifest(Buffer.from("<html>"), "x")).toThrow(ImageError);
  });

  it("reads token challenges", () => {
    expect(parseChallenge('Bearer realm="https://auth.example/token",service="registry",scope="repository:a/b:pull"')).toEqual({
      realm: "https://auth.example/token",
      service: "registry",
      scope: "repository:a/b:pull",
    });
    expect(parseChallenge('Basic realm="x"')).toEqual({});
  });
});
