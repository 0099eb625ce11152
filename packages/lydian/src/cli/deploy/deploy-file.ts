// `lydian deploy`: load the file, deploy its app, say how it is called.
import { dirname } from "node:path";
import { Client } from "../../client.ts";
import { type DeployedApp, deployApp } from "../../run/deploy-app.ts";
import { bundleForContainer } from "../bundle/bundle-for-container.ts";
import { functionAssets } from "../bundle/function-assets.ts";
import { loadEntry } from "../bundle/load-locally.ts";
import { findTarget } from "../connect.ts";
import { openDisplay } from "../display/open-display.ts";
import { reportError } from "../display/report-error.ts";
import { EXIT } from "../exit.ts";
import { endProcess } from "../run/end-process.ts";
import { parseEntryReference } from "../run/entry-reference.ts";
import { Interrupted, listenForInterrupts } from "../run/interrupts.ts";
import { commitOf } from "./commit.ts";
import { pickApp } from "./pick-app.ts";

export interface DeployFileOptions {
  /** FILE or FILE::app, as typed. */
  readonly reference: string;
  readonly environment: string | undefined;
  readonly name: string | undefined;
  readonly tag: string | undefined;
  readonly quiet: boolean;
  readonly json: boolean;
}

/** Deploys and ends the process with the exit code: what the file left behind (timers, sockets) must not keep it. */
export async function deployFile(options: DeployFileOptions): Promise<never> {
  return endProcess(await deploy(options).catch(reportError));
}

async function deploy(options: DeployFileOptions): Promise<number> {
  process.setSourceMapsEnabled(true);
  const { reference, environment, name, tag, quiet, json } = options;
  const entry = parseEntryReference(reference, process.cwd(), "deploy");
  const display = openDisplay({ streams: process, quiet, json, now: () => performance.now() });
  const interrupts = listenForInterrupts(
    () => display.status("stopping (Ctrl-C again ends at once)"),
    () => display.close(),
  );
  try {
    display.status("bundling");
    const app = pickApp(await interrupts.race(loadEntry(entry.file)), entry.name, reference.replace(/::[^:]*$/, ""));
    const onStatus = (text: string) => display.status(text);
    const bundling = bundleForContainer(entry.file, { assets: functionAssets(entry.file, [app]) });
    const [bundle, target, commit] = await interrupts.race(
      Promise.all([bundling, findTarget({ environment, onStatus }), commitOf(dirname(entry.file))]),
    );
    for (const warning of bundle.warnings) display.status(`warning: ${warning}`);
    const client = Client.connect({ serverUrl: target.serverUrl, token: target.token, environment: target.environment });
    try {
      const deployed = await deployApp(app as never, {
        client,
        environment: target.environment,
        bundle,
        name,
        tag,
        commit,
        signal: interrupts.signal,
        onEvent: (event) => display.event(event),
      });
      display.close();
      if (json) process.stdout.write(`${JSON.stringify({ type: "deployed", ...deployed })}\n`);
      else if (!quiet) process.stdout.write(howToCall(deployed));
      return EXIT.ok;
    } finally {
      await client.close();
    }
  } catch (error) {
    if (error instanceof Interrupted) return EXIT.interrupted;
    throw error;
  } finally {
    display.close();
    interrupts.stop();
  }
}

function howToCall({ appId, name, version, url, functions }: DeployedApp): string {
  const lines = functions.map((each) => {
    // A class is served by one function, which is not called itself.
    const cls = each.endsWith(".*") ? each.slice(0, -2) : undefined;
    const words = `(${JSON.stringify(name)}, ${JSON.stringify(cls ?? each)})`;
    return `  ${cls === undefined ? "Function" : "Cls"}.fromName${words}`;
  });
  const place = url === "" ? appId : `${appId}, ${url}`;
  return `${[`${name} is deployed as v${version} (${place})`, ...lines].join("\n")}\n`;
}
