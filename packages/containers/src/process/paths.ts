// Without a mount namespace a bind cannot appear at its target. The process is told the real place instead: in its command,
// in the values of its environment, and as a map for paths that it learns later.

import type { Bind } from "../host.ts";

/** JSON object from bind target to the real path, for programs that receive container paths in other ways than the command and environment. */
export const BIND_PATHS_VARIABLE = "LYDIAN_BIND_PATHS";

const escapeRegExp = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

/** Replaces each bind target in a text, where it stands as a path or begins one, by its source. The longest target wins. */
export function pathTranslator(binds: readonly Bind[]): (text: string) => string {
  if (binds.length === 0) return (text) => text;
  const sources = new Map(binds.map((bind) => [bind.target, bind.source]));
  const targets = [...sources.keys()].sort((a, b) => b.length - a.length).map(escapeRegExp);
  // Before it no part of a longer path ("/srv/app" is not "/app"), but "unix:///app"; after it a separator or the end.
  const pattern = new RegExp(`(?<![\\w.@~-])(${targets.join("|")})(?![\\w.@~-])`, "g");
  return (text) => text.replace(pattern, (target) => sources.get(target) ?? target);
}
