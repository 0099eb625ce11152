// `lydian serve`: an ephemeral app that is replaced whenever a file of it changes, until Ctrl-C.
import { relative } from "node:path";
import type { RegisteredApp } from "@lydian/protocol";
import { Client } from "../../client.ts";
import type { Bundle } from "../../run/bundle.ts";
import { type RunningApp, startApp } from "../../run/start-app.ts";
import { bundleForContainer } from "../bundle/bundle-for-container.ts";
import { functionAssets } from "../bundle/function-assets.ts";
import { loadEntry } from "../bundle/load-locally.ts";
import { findTarget } from "../connect.ts";
import { pickApp } from "../deploy/pick-app.ts";
import type { Display } from "../display/display.ts";
import { openDisplay } from "../display/open-display.ts";
import { renderError, reportError } from "../display/report-error.ts";
import { styleFor } from "../display/style.ts";
import { EXIT } from "../exit.ts";
import { type EntryReference, parseEntryReference } from "../run/entry-reference.ts";
import { Interrupted, type Interrupts, listenForInterrupts } from "../run/interrupts.ts";
import { watchFiles } from "./watch-files.ts";

export interface ServeFileOptions {
  /** FILE or FILE::app, as typed. */
  readonly reference: string;
  readonly environment: string | undefined;
  readonly quiet: boolean;
  readonly json: boolean;
}

/** Serves and ends the process. Ctrl-C is how it ends well. */
export async function serveFile(options: ServeFileOptions): Promise<never> {
  process.setSourceMapsEnabled(true);
  const display = openDisplay({ streams: process, quiet: options.quiet, json: options.json, now: () => performance.now() });
  const interrupts = listenForInterrupts(
    () => display.status("stopping (Ctrl-C again ends at once)"),
    () => display.close(),
  );
  let code: number = EXIT.ok;
  try {
    await serve(options, display, interrupts);
  } catch (error) {
    display.close();
    if (!(error instanceof Interrupted)) code = reportError(error);
  }
  display.close();
  process.exit(code);
}

async function serve({ reference, environment: wanted }: ServeFileOptions, display: Display, interrupts: Interrupts): Promise<void> {
  const entry = parseEntryReference(reference, process.cwd(), "serve");
  const onStatus = (text: string) => display.status(text);
  const [first, target] = await interrupts.race(Promise.all([load(entry), findTarget({ environment: wanted, onStatus })]));
  const { environment, serverUrl, token } = target;
  const client = Client.connect({ serverUrl, token, environment });
  try {
    display.status("starting the app");
    const onEvent = display.event.bind(display);
    const running = await startApp(first.app as never, { client, environment, bundle: first.bundle, signal: interrupts.signal, onEvent });
    display.status(`serving ${first.app.name ?? "the app"}; ${first.bundle.sources.length} files are watched, Ctrl-C ends it`);
    await reload(entry, first, running, display, interrupts);
    await running.stop("interrupted");
  } finally {
    await client.close();
  }
}

interface Loaded {
  readonly app: RegisteredApp;
  readonly bundle: Bundle;
}

async function load(entry: EntryReference): Promise<Loaded> {
  const file = relative(process.cwd(), entry.file);
  const app = pickApp(await loadEntry(entry.file), entry.name, file, "serve");
  return { app, bundle: await bundleForContainer(entry.file, { assets: functionAssets(entry.file, [app]) }) };
}

/** Until the first interrupt. A version that does not compile is told about, and the one before goes on. */
async function reload(entry: EntryReference, first: Loaded, running: RunningApp, display: Display, { signal }: Interrupts): Promise<void> {
  using changes = watchFiles();
  changes.watch(first.bundle.sources);
  let { bundle } = first;
  for (let changed = await changes.next(signal); changed.length > 0; changed = await changes.next(signal)) {
    display.status(`${changed.map((file) => relative(process.cwd(), file)).join(", ")} changed`);
    const startedAt = performance.now();
    try {
      const next = await load(entry);
      changes.watch(next.bundle.sources);
      if (next.bundle.hash !== bundle.hash) await running.replace(next.app as never, next.bundle);
      bundle = next.bundle;
      display.status(`replaced after ${Math.round(performance.now() - startedAt)} ms`);
    } catch (error) {
      if (signal.aborted) return;
      process.stderr.write(
        renderError(error, { style: styleFor(process.stderr), debug: Boolean(process.env.LYDIAN_DEBUG), root: process.cwd() }),
      );
      display.status("the version before is still served");
    }
  }
}
