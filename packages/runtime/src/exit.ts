// How the process ends. Pipes are written asynchronously, and answers need a round trip, so ending takes a moment: nobody but this file
// calls the real process.exit.
const FLUSH_LIMIT_MS = 5_000;

/** What process.exit() throws in user code: nothing after the call may run, and what is under way must be answered first. */
export class ExitCalled extends Error {
  readonly exitCode: number;
  constructor(exitCode: number) {
    super(`the code called process.exit(${exitCode})`);
    this.exitCode = exitCode;
  }
}
Object.defineProperty(ExitCalled.prototype, "name", { value: "ExitCalled", writable: true, configurable: true });

const exitNow = process.exit.bind(process);

/** Makes process.exit() throw ExitCalled after telling `onExit`. */
export function interceptExit(onExit: (exit: ExitCalled) => void): void {
  process.exit = (code?: number | string | null): never => {
    const exit = new ExitCalled(Number(code ?? process.exitCode ?? 0) || 0);
    onExit(exit);
    throw exit;
  };
}

/** Ends the process once everything printed has been taken by the pipes, at most 5 s later. */
export async function exitAfterFlush(code: number): Promise<never> {
  setTimeout(() => exitNow(code), FLUSH_LIMIT_MS);
  await Promise.all([flush(process.stdout), flush(process.stderr)]);
  return exitNow(code);
}

function flush(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    if (stream.destroyed || stream.writableLength === 0) return resolve();
    stream.once("error", () => resolve());
    stream.write("", () => resolve());
  });
}

/** Without this a reader that went away would make printing an uncaught exception. */
export function ignoreClosedPipes(): void {
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {});
}
