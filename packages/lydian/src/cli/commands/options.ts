// Options that several commands share.
import { Option } from "commander";

export const environmentOption = () =>
  new Option("-e, --environment <name>", 'environment to work in (default: LYDIAN_ENVIRONMENT, then the configuration, then "main")');
export const jsonOption = () => new Option("--json", "print JSON");

/** For options that may be given several times. */
export const repeated = (value: string, before: readonly string[] = []): string[] => [...before, value];

/** What a container is made of. */
export const containerOptions = (): Option[] => [
  new Option("--image <image>", "im-… or a reference of a registry (default: Debian with Node 24)"),
  new Option("--env <key=value>", "a variable; may be repeated").argParser(repeated),
  new Option("--secret <name>", "variables of a secret; may be repeated").argParser(repeated),
  new Option("--cpu <cores>", "at most so many cores"),
  new Option("--memory <size>", 'at most so much memory, e.g. "512Mi"'),
  new Option("--gpu <type>", 'e.g. "A100" or "A100:2"'),
  new Option("--workdir <path>", "the directory it starts in"),
  new Option("--timeout <duration>", 'end it after so long, e.g. "10m"'),
];

/** How a command is run in a container. */
export const execOptions = (): Option[] => [
  new Option("--pty", "give it a terminal (default: where this is one)"),
  new Option("--no-pty", "give it no terminal"),
  new Option("--workdir <path>", "the directory it starts in"),
  new Option("--env <key=value>", "a variable; may be repeated").argParser(repeated),
  new Option("--timeout <duration>", "kill it after so long"),
];

export interface CommonOptions {
  readonly environment?: string;
  readonly json?: boolean;
}

export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, undefined, 2)}\n`);
}
