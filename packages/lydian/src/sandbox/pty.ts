import { type MessageInitShape, type PTYInfoSchema, PTYInfo_PTYType as PtyType } from "@lydian/protocol";
import { InvalidError } from "../errors.ts";
import { showValue } from "../show-value.ts";

export interface PtySize {
  readonly rows: number;
  readonly columns: number;
}

const DEFAULT: PtySize = { rows: 24, columns: 80 };
const MAX = 10_000;

/** Undefined: no terminal. Throws InvalidError for a size that is none. */
export function checkPty(pty: unknown): PtySize | undefined {
  if (pty === undefined || pty === false) return undefined;
  if (pty === true) return DEFAULT;
  const { rows, columns } = (typeof pty === "object" && pty !== null ? pty : {}) as Partial<PtySize>;
  const isSize = (size: unknown): size is number => Number.isInteger(size) && (size as number) >= 1 && (size as number) <= MAX;
  if (isSize(rows) && isSize(columns)) return { rows, columns };
  throw new InvalidError(`\`pty\` is ${showValue(pty)}; it must be true, false or { rows, columns } of 1 to ${MAX} each.`);
}

/** A terminal as the wire has it. */
export function ptyInfo({ rows, columns }: PtySize): MessageInitShape<typeof PTYInfoSchema> {
  return {
    enabled: true,
    winszRows: rows,
    winszCols: columns,
    envTerm: process.env.TERM ?? "xterm-256color",
    envColorterm: process.env.COLORTERM ?? "truecolor",
    ptyType: PtyType.PTY_TYPE_SHELL,
    noTerminateOnIdleStdin: true,
  };
}
