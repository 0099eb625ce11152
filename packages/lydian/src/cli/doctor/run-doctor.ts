// `lydian doctor`: the checks of the container hosts, and those of what the command line itself needs.
import { type Check, checkHost } from "@lydian/containers";
import { defaultDataDir } from "../../config/home.ts";
import { printJson } from "../commands/options.ts";
import { styleFor } from "../display/style.ts";
import { checkDataDir, nearestExisting } from "./data-dir.ts";
import { renderChecks } from "./render-checks.ts";
import { checkServer } from "./server-check.ts";

/** Prints every check. False when one has failed. */
export async function runDoctor(json: boolean): Promise<boolean> {
  const dataDir = defaultDataDir();
  const checks: Check[] = [...(await checkHost(nearestExisting(dataDir))), checkDataDir(dataDir), await checkServer()];
  const healthy = checks.every((check) => check.status !== "fail");
  if (json) printJson({ healthy, checks });
  else process.stdout.write(renderChecks(checks, styleFor(process.stdout)));
  return healthy;
}
