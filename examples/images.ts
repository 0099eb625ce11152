// ./lydian run examples/images.ts
// A container with what the work needs: Debian packages, npm packages with native code, local files, settings.

import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { App, Image } from "lydian";

const image = Image.node("24")
  .apt(["jq"])
  .npmInstall(["@node-rs/xxhash@1.7.8"])
  .run("mkdir -p /data && date --iso-8601 > /data/built-on")
  .addLocalDir(`${import.meta.dirname}/data`, "/data/records")
  .env({ REGION: "local" })
  .workdir("/data");

export const app = new App("images", { image });

/** `jq` comes from Debian, the file from this folder. */
export const names = app.function(async (file: string): Promise<string[]> => {
  const { stdout } = await promisify(execFile)("jq", ["-r", ".[].name", `records/${file}`]);
  return stdout.trim().split("\n");
});

/** A package with native code is built into the image; only its types are needed here. */
export const fingerprint = app.function(async (file: string): Promise<string> => {
  const { xxh64 } = await import("@node-rs/xxhash");
  return `${process.env.REGION}:${xxh64(await readFile(`/data/records/${file}`)).toString(16)}`;
});

app.localEntrypoint(async () => {
  console.log("names:", (await names.remote("planets.json")).join(", "));
  console.log("fingerprint:", await fingerprint.remote("planets.json"));
});
