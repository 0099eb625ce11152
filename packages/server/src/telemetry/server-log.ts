/** The server's own lines, on stderr. Never given tokens, payloads or environments. */
export interface ServerLog {
  debug(text: string): void;
  info(text: string): void;
  warn(text: string): void;
  error(text: string, cause?: unknown): void;
}

const LEVELS = ["debug", "info", "warn", "error"] as const;
export type LogLevel = (typeof LEVELS)[number];

export function createServerLog(level: LogLevel, write: (line: string) => void = (line) => process.stderr.write(line)): ServerLog {
  const from = LEVELS.indexOf(level);
  const at = (of: LogLevel) => (text: string, cause?: unknown) => {
    if (LEVELS.indexOf(of) < from) return;
    const why = cause === undefined ? "" : `: ${cause instanceof Error ? (cause.stack ?? cause.message) : String(cause)}`;
    write(`${new Date().toISOString()} ${of} ${text}${why}\n`);
  };
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}
