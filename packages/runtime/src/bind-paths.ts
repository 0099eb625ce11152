// On a machine without containers, what should lie at /app or /run/lydian lies elsewhere: the process host says where.

/** JSON: path that was asked for → path that holds it. Set by the process host only. */
const VARIABLE = "LYDIAN_BIND_PATHS";

/** Where a path of the container really is. */
export function realPath(path: string, env: NodeJS.ProcessEnv = process.env): string {
  const binds = JSON.parse(env[VARIABLE] ?? "{}") as Record<string, string>;
  for (const [target, source] of Object.entries(binds)) {
    if (path === target || path.startsWith(`${target}/`)) return source + path.slice(target.length);
  }
  return path;
}
