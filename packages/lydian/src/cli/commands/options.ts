// Options that several commands share.
import { Option } from "commander";

export const environmentOption = () =>
  new Option("-e, --environment <name>", 'environment to work in (default: LYDIAN_ENVIRONMENT, then the configuration, then "main")');
export const jsonOption = () => new Option("--json", "print JSON");

export interface CommonOptions {
  readonly environment?: string;
  readonly json?: boolean;
}

export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, undefined, 2)}\n`);
}
