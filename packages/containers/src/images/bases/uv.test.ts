import { describe, expect, it } from "vitest";
import { fromHtml, fromJson, type Wheel } from "./pypi.ts";
import { chooseUv } from "./uv.ts";

const sha256 = "a".repeat(64);
const wheel = (filename: string): Wheel => ({ filename, url: "https://x.example/", sha256 });
const wheels = [
  "uv-0.9.9-py3-none-musllinux_1_1_x86_64.whl",
  "uv-0.10.1-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
  "uv-0.10.0-py3-none-musllinux_1_1_x86_64.whl",
  "uv-0.10.0-py3-none-manylinux_2_17_aarch64.manylinux2014_aarch64.musllinux_1_1_aarch64.whl",
  "uv-0.10.0-py3-none-musllinux_1_1_i686.whl",
  "uv-0.10.0.tar.gz",
].map(wheel);

describe("chooseUv", () => {
  it("takes the newest that runs in every image of this machine", () => {
    expect(chooseUv("", wheels, "x64")).toMatchObject({
      version: "0.10.0",
      wheel: { filename: expect.stringContaining("musllinux_1_1_x86_64") },
    });
    expect(chooseUv("0.9", wheels, "x64").version).toBe("0.9.9");
    expect(chooseUv("", wheels, "arm64").wheel.filename).toContain("aarch64");
    expect(() => chooseUv("0.10.1", wheels, "x64")).toThrow(/no uv 0\.10\.1 for x86_64/);
  });
});

describe("the package index", () => {
  it("is read in both forms, without files that were taken back or that cannot be verified", () => {
    const files = [
      { filename: "a.whl", url: "../a.whl", hashes: { sha256 }, yanked: false, "requires-python": ">=3.8" },
      { filename: "b.whl", url: "b", hashes: { sha256 }, yanked: "broken" },
      { filename: "c.whl", url: "c", hashes: {} },
    ];
    const expected = [{ filename: "a.whl", url: "../a.whl", sha256, requiresPython: ">=3.8" }];
    expect(fromJson(JSON.stringify({ files }))).toEqual(expected);
    const html = `<a href="../a.whl#sha256=${sha256}" data-requires-python="&gt;=3.8">a.whl</a><br>
      <a data-yanked="broken" href="b#sha256=${sha256}">b.whl</a><a href="c">c.whl</a>`;
    expect(fromHtml(html)).toEqual(expected);
    expect(() => fromJson("<html>")).toThrow(/cannot be read/);
  });
});
