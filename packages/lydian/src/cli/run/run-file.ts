// `lydian run`: load the file, find out what is meant, start the app, call it, stop the app.
import { Client } from "../../client.ts";
import { type RunningApp, startApp } from "../../run/start-app.ts";
import { bundleForContainer } from "../bundle/bundle-for-container.ts";
import { functionAssets } from "../bundle/function-assets.ts";
import { loadLocally } from "../bundle/load-locally.ts";
import { projectRoot } from "../bundle/project-root.ts";
import { findTarget } from "../connect.ts";
import type { Display } from "../display/display.ts";
import { openDisplay } from "../display/open-display.ts";
import { renderException, reportError } from "../display/report-error.ts";
import { styleFor } from "../display/style.ts";
import { EXIT } from "../exit.ts";
import { endProcess } from "./end-process.ts";
import { type EntryReference, parseEntryReference } from "./entry-reference.ts";
import { HelpRequested } from "./flags.ts";
import { Interrupted, type Interrupts, listenForInterrupts } from "./interrupts.ts";
import { type Invocation, invocationHelp, prepareInvocation } from "./invocation.ts";
import { type Picked, pickTarget } from "./pick-target.ts";

export interface RunFileOptions {
  /** FILE or FILE::name, as typed. */
  readonly reference: string;
  /** What followed it. */
  readonly words: readonly string[];
  readonly environment: string | undefined;
  readonly quiet: boolean;
  readonly json: boolean;
}

/** How long containers get to end after the run. */
const STOP_TIMEOUT_MS = 30_000;

/** Runs and ends the process with the exit code, after all output has been written. */
export async function runFile(options: RunFileOptions): Promise<never> {
  // What the entrypoint left behind (timers, sockets) must not keep a finished run alive.
  return endProcess(await run(options));
}

async function run(options: RunFileOptions): Promise<number> {
  process.setSourceMapsEnabled(true);
  let display: Display | undefined;
  const interrupts = listenForInterrupts(
    () => display?.status("stopping (Ctrl-C again ends at once)"),
    () => display?.close(),
  );
  try {
    const entry = parseEntryReference(options.reference, process.cwd());
    const picked = pickTarget(await interrupts.race(loadLocally(entry.file)), entry.name, relativeFile(options.reference));
    const invocation = await invocationOf(picked, options);
    if (!invocation) return EXIT.ok;
    display = openDisplay({ streams: process, quiet: options.quiet, json: options.json, now: () => performance.now() });
    return await runApp({ entry, picked, invocation, display, interrupts, environment: options.environment });
  } catch (error) {
    display?.close();
    if (error instanceof Interrupted) return EXIT.interrupted;
    return reportError(error);
  } finally {
    display?.close();
    interrupts.stop();
  }
}

/** Undefined after help has been printed. */
async function invocationOf(picked: Picked, options: RunFileOptions): Promise<Invocation | undefined> {
  try {
    return await prepareInvocation(picked.target, options.words);
  } catch (error) {
    if (!(error instanceof HelpRequested)) throw error;
    process.stdout.write(invocationHelp(picked.target, options.reference));
    return undefined;
  }
}

interface AppRun {
  readonly entry: EntryReference;
  readonly picked: Picked;
  readonly invocation: Invocation;
  readonly display: Display;
  readonly interrupts: Interrupts;
  readonly environment: string | undefined;
}

async function runApp({ entry, picked, invocation, display, interrupts, environment }: AppRun): Promise<number> {
  const onStatus = (text: string) => display.status(text);
  display.status("bundling");
  const [bundle, target] = await interrupts.race(
    Promise.all([
      bundleForContainer(entry.file, { assets: functionAssets(entry.file, [picked.app]) }),
      findTarget({ environment, onStatus }),
    ]),
  );
  for (const warning of bundle.warnings) display.status(`warning: ${warning}`);
  const client = Client.connect({ serverUrl: target.serverUrl, token: target.token, environment: target.environment });
  try {
    display.status("starting the app");
    const running = await startApp(picked.app as never, {
      client,
      environment: target.environment,
      bundle,
      signal: interrupts.signal,
      onEvent: (event) => display.event(event),
    });
    return await callAndStop({ running, invocation, display, interrupts, root: projectRoot(entry.file) });
  } finally {
    await client.close();
  }
}

interface Call {
  readonly running: RunningApp;
  readonly invocation: Invocation;
  readonly display: Display;
  readonly interrupts: Interrupts;
  readonly root: string;
}

async function callAndStop({ running, invocation, display, interrupts, root }: Call): Promise<number> {
  let returned: Awaited<ReturnType<Invocation>>;
  try {
    returned = await interrupts.race(invocation((value) => display.result(value)));
  } catch (error) {
    if (error instanceof Interrupted) {
      await stop(running, display, "interrupted");
      return EXIT.interrupted;
    }
    await stop(running, display, "local_exception", error);
    display.close();
    process.stderr.write(renderException(error, { style: styleFor(process.stderr), debug: Boolean(process.env.LYDIAN_DEBUG), root }));
    return EXIT.failed;
  }
  await stop(running, display, "completed");
  // Log lines come by another way: once the app has stopped, all that the function printed has been told, and its result comes last.
  if (returned !== undefined) display.result(returned.result);
  return EXIT.ok;
}

/** Bounded: a server that does not answer any more must not hold the terminal. */
async function stop(running: RunningApp, display: Display, reason: Parameters<RunningApp["stop"]>[0], exception?: unknown): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<"late">((resolve) => {
    timer = setTimeout(() => resolve("late"), STOP_TIMEOUT_MS);
  });
  try {
    const text =
      exception instanceof Error ? `${exception.name}: ${exception.message}` : exception === undefined ? undefined : String(exception);
    const outcome = await Promise.race([running.stop(reason, text), late]);
    if (outcome === "late") display.status(`the app ${running.appId} is still stopping; the server goes on with it`);
  } catch (error) {
    display.status(`the app ${running.appId} could not be stopped: ${(error as Error).message}`);
  } finally {
    clearTimeout(timer);
  }
}

function relativeFile(reference: string): string {
  const at = reference.lastIndexOf("::");
  return at === -1 ? reference : reference.slice(0, at);
}
