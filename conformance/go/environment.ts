import { spawnSync } from "node:child_process";
import { delimiter } from "node:path";

/** For `go`. `/usr/local/go` is where Go's own archive goes; it is not on every PATH. */
export const goEnvironment = { ...process.env, PATH: [process.env.PATH, "/usr/local/go/bin"].join(delimiter), GOFLAGS: "-mod=mod" };

export const hasGo = spawnSync("go", ["version"], { env: goEnvironment }).status === 0;
if (!hasGo) console.warn("The tests with the official Go client are skipped: there is no `go` here.");
