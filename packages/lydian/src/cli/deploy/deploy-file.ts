// `lydian deploy`: load the file, find out which app is meant, publish it, say how it is called.
import { dirname } from "node:path";
import { Client } from "../../client.ts";
import { type DeployedApp, deployApp } from "../../run/deploy-app.ts";
import { bundleForContainer } from "../bundle/bundle-for-container.ts";
import { functionAssets } from "../bundle/function-assets.ts";
import { loadEntry } from "../bundle/load-locally.ts";
import type { CommonOptions } from "../commands/options.ts";
import { findTarget } from "../connect.ts";
import type { Display } from "../display/display.ts";
import { openDisplay } from "../display/open-display.ts";
import { reportError } from "../display/report-error.ts";
import { EXIT } from "../exit.ts";
import { endProcess } from "../run/end-process.ts";
import { parseEntryReference } from "../run/entry-reference.ts";
import { Interrupted, listenForInterrupts } from "../run/interrupts.ts";
import { commitOf } from "./commit.ts";
import { deploymentName, pickApp } from "./pick-app.ts";

export interface DeployFileOptions extends CommonOptions {
  readonly name?: string;
  readonly tag?: string;
  readonly quiet?: boolean;
}

/** Deploys and ends the process with the exit code. */
export async function deployFile(reference: string, options: DeployFileOptions): Promise<never> {
  // What the file left behind (timers, sockets) must not keep the command alive.
  return endProcess(await deploy(reference, options));
}

async function deploy(reference: string, options: DeployFileOptions): Promise<number> {
  process.setSourceMapsEnabled(true);
  let display: Display | undefined;
  const interrupts = listenForInterrupts(
    () => display?.status("stopping (Ctrl-C again ends at once)"),
    () => display?.close(),
  );
  try {
    const entry = parseEntryReference(reference, process.cwd(), "deploy");
    const [shownFile = reference] = reference.split("::");
    const app = pickApp(await interrupts.race(loadEntry(entry.file)), entry.name, shownFile);
    const name = deploymentName(app, options.name);
    display = openDisplay({ streams: process, quiet: options.quiet === true, json: options.json === true, now: () => performance.now() });
    const onStatus = (text: string) => display?.status(text);
    onStatus("bundling");
    const [bundle, target, commit] = await interrupts.race(
      Promise.all([
        bundleForContainer(entry.file, { assets: functionAssets(entry.file, [app]) }),
        findTarget({ environment: options.environment, onStatus }),
        commitOf(dirname(entry.file)),
      ]),
    );
    for (const warning of bundle.warnings) onStatus(`warning: ${warning}`);
    const { serverUrl, token, environment } = target;
    const client = Client.connect({ serverUrl, token, environment });
    try {
      onStatus("deploying the app");
      const deployed = await deployApp(app as never, {
        client,
        environment,
        bundle,
        name,
        tag: options.tag ?? "",
        commit,
        signal: interrupts.signal,
        onEvent: (event) => display?.event(event),
      });
      if (options.json) display.result(asJson(name, environment, deployed));
      display.close();
      if (!options.json) process.stdout.write(description(name, deployed));
      return EXIT.ok;
    } finally {
      await client.close();
    }
  } catch (error) {
    display?.close();
    return error instanceof Interrupted ? EXIT.interrupted : reportError(error);
  } finally {
    display?.close();
    interrupts.stop();
  }
}

const asJson = (name: string, environment: string, { appId, version, functions }: DeployedApp) => ({
  app_id: appId,
  name,
  environment,
  version,
  functions: Object.fromEntries(functions.map((fn) => [fn.name, fn.id])),
});

/** What there is now, and the words that call it. */
function description(name: string, { appId, version, functions }: DeployedApp): string {
  const lines = functions.map((fn) => `  Function.fromName(${JSON.stringify(name)}, ${JSON.stringify(fn.name)})\n`);
  const callable = functions.length === 0 ? "It has no functions.\n" : `Callable from other programs:\n${lines.join("")}`;
  return `${name} is deployed as version ${version} (${appId})\n${callable}`;
}
