import { dirname, resolve } from "node:path";
import type { RegisteredApp } from "@lydian/protocol";
import { projectRoot } from "./project-root.ts";

/** The `assets` of all functions as absolute patterns: each function wrote them relative to its own file. */
export function functionAssets(entry: string, apps: readonly RegisteredApp[]): string[] {
  const root = projectRoot(resolve(entry));
  const patterns = new Set<string>();
  for (const { registered } of apps) {
    for (const { kind, file, options } of registered) {
      const { assets } = options as { assets?: unknown };
      if (kind === "entrypoint" || !Array.isArray(assets)) continue;
      const base = file === undefined ? dirname(resolve(entry)) : dirname(resolve(root, file));
      for (const pattern of assets) if (typeof pattern === "string") patterns.add(resolve(base, pattern));
    }
  }
  return [...patterns];
}
