import { accessSync, constants, existsSync, statSync } from "node:fs";
import { dirname } from "node:path";
import type { Check } from "@lydian/containers";

const WHY = "The server keeps its database, image layers and token there.";

/** The directory itself, or the nearest one above it that exists. */
export function nearestExisting(dir: string): string {
  let path = dir;
  while (!existsSync(path) && dirname(path) !== path) path = dirname(path);
  return path;
}

/** Whether the embedded server can write there, and nobody else can read. */
export function checkDataDir(dir: string): Check {
  const existing = nearestExisting(dir);
  const base = { name: "data directory", why: WHY };
  try {
    accessSync(existing, constants.W_OK | constants.X_OK);
  } catch {
    return {
      ...base,
      status: "fail",
      found: `${existing} is not writable`,
      fix: "Make it writable for this user, or set LYDIAN_HOME to a directory that is.",
    };
  }
  if (existing !== dir) return { ...base, status: "ok", found: `${dir} (not made yet)`, fix: "" };
  if ((statSync(dir).mode & 0o077) !== 0) {
    return { ...base, status: "warn", found: `${dir} is open to other users`, fix: `chmod 700 ${dir}` };
  }
  return { ...base, status: "ok", found: dir, fix: "" };
}
