// Where `import … from "lydian"` leads: to the user's own install when there is one, else to the copy that belongs to this CLI.
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { LydianError } from "@lydian/protocol";
import { ancestors } from "./project-root.ts";

const OWN_FILE = fileURLToPath(import.meta.url);

/** True in this repository's tests, where packages are taken from their sources. */
const FROM_SOURCE = OWN_FILE.endsWith(".ts");

/** Conditions with which packages are resolved besides those of the bundle itself. */
export const SOURCE_CONDITIONS: readonly string[] = FROM_SOURCE ? ["lydian-source"] : [];

/** The SDK of this CLI. */
export function ownLydian(): string {
  const root = [...ancestors(dirname(OWN_FILE))].find((dir) => packageName(dir) === "lydian");
  const file = root && join(root, FROM_SOURCE ? "src/index.ts" : "dist/index.js");
  if (file && existsSync(file)) return file;
  throw new LydianError(
    "failed_precondition",
    `the SDK that belongs to this CLI is missing: ${file ?? "no package directory around the CLI"}`,
    {
      hint: "Install lydian again, or in a clone of the repository: node scripts/build.mjs",
    },
  );
}

const isOwn = new Map<string, boolean>();

/** Whether the file belongs to a Lydian package: our own code gets no footers. */
export function isLydianFile(path: string): boolean {
  const dir = dirname(path);
  const known = isOwn.get(dir);
  if (known !== undefined) return known;
  const nearest = [...ancestors(dir)].find((at) => packageName(at) !== undefined);
  const name = nearest === undefined ? undefined : packageName(nearest);
  const own = name === "lydian" || (name?.startsWith("@lydian/") ?? false);
  isOwn.set(dir, own);
  return own;
}

function packageName(dir: string): string | undefined {
  try {
    return (JSON.parse(readFileSync(join(dir, "package.json"), "utf8")) as { name?: string }).name;
  } catch {
    return undefined;
  }
}
