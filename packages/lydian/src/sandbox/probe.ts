import { type Duration, durationMs } from "../duration.ts";
import { InvalidError } from "../errors.ts";
import { showValue } from "../show-value.ts";

export interface ProbeOptions {
  /** Between two tries. Default 100 ms. */
  readonly interval?: Duration;
}

/**
 * How it is found out that what a sandbox runs is ready.
 *
 * @example
 * const sandbox = await Sandbox.create({ app, command: ["python3", "-m", "http.server", "8000"], readiness: Probe.tcp(8000) });
 * await sandbox.waitUntilReady();
 */
export class Probe {
  readonly check: { readonly port: number } | { readonly argv: readonly string[] };
  readonly intervalMs: number;

  private constructor(check: Probe["check"], { interval = 100 }: ProbeOptions) {
    this.check = check;
    this.intervalMs = Math.round(durationMs(interval, "`interval`"));
    if (this.intervalMs < 1) throw new InvalidError(`\`interval\` is ${showValue(interval)}; it must be at least 1 ms.`);
  }

  /** Ready when something accepts connections at this port. */
  static tcp(port: number, options: ProbeOptions = {}): Probe {
    return new Probe({ port: checkPort(port, "The port of a probe") }, options);
  }

  /** Ready when this command ends with exit code 0. */
  static exec(argv: readonly string[], options: ProbeOptions = {}): Probe {
    if (!Array.isArray(argv) || argv.length === 0 || argv.some((word) => typeof word !== "string"))
      throw new InvalidError(`The command of a probe is ${showValue(argv)}; it must be a list of strings that is not empty.`);
    return new Probe({ argv: [...argv] }, options);
  }
}

/** Throws InvalidError unless it is a port. */
export function checkPort(port: unknown, what: string): number {
  if (Number.isInteger(port) && (port as number) >= 1 && (port as number) <= 65_535) return port as number;
  throw new InvalidError(`${what} is ${showValue(port)}; it must be a whole number from 1 to 65535.`);
}
