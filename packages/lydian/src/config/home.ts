import { homedir } from "node:os";
import { join, resolve } from "node:path";

/** Where the CLI keeps its configuration and the embedded server its data: LYDIAN_HOME, or `.lydian` in the home directory. */
export function lydianHome(env: NodeJS.ProcessEnv = process.env): string {
  return env.LYDIAN_HOME ? resolve(env.LYDIAN_HOME) : join(homedir(), ".lydian");
}

export function defaultDataDir(env: NodeJS.ProcessEnv = process.env): string {
  return join(lydianHome(env), "data");
}
