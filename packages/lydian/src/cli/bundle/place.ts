import { relative, sep } from "node:path";

/** Where user files keep their places in a container, so that paths next to import.meta.dirname stay right. */
export const SOURCE_DIR = "/app/src";

/** Relative to the root, with forward slashes. Steps out of the root become `_`, since a container has nothing above it. */
export function projectPath(root: string, file: string): string {
  return relative(root, file)
    .split(sep)
    .map((step) => (step === ".." ? "_" : step))
    .join("/");
}
