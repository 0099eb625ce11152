// From what a caller sent to what a handler takes.
import { DataFormat, decodePayload, LydianError, type ServedFunction } from "@lydian/protocol";

/** The positional arguments in a payload of `[args, kwargs]`. Throws LydianError for anything a handler cannot be called with. */
export async function callArguments(
  bytes: Uint8Array,
  format: DataFormat,
  fn: Pick<ServedFunction, "params" | "input">,
): Promise<unknown[]> {
  if (format !== DataFormat.CBOR && format !== DataFormat.CBOR_TS) {
    throw new LydianError(
      "invalid_argument",
      `a TypeScript function takes CBOR arguments, not ${DataFormat[format] ?? `format ${format}`}`,
      {
        hint: "The Python client sends CBOR to functions that list it: look the function up again.",
      },
    );
  }
  const payload: unknown = decodePayload(bytes);
  if (!Array.isArray(payload) || !Array.isArray(payload[0])) {
    throw new LydianError("invalid_argument", "the arguments are not a list of positional and a record of named ones");
  }
  const args = bindNamed(payload[0] as unknown[], namedOf(payload[1]), fn.params);
  return fn.input === undefined ? args : validated(args, fn.input);
}

function namedOf(value: unknown): Readonly<Record<string, unknown>> {
  if (value === undefined || value === null) return {};
  if (value instanceof Map) return Object.fromEntries(value) as Record<string, unknown>;
  if (typeof value === "object" && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new LydianError("invalid_argument", "the named arguments are not a record");
}

/** By name when the function lists its parameters, else all named ones as one trailing object. */
export function bindNamed(
  args: readonly unknown[],
  named: Readonly<Record<string, unknown>>,
  params: readonly string[] | undefined,
): unknown[] {
  const keys = Object.keys(named);
  if (keys.length === 0) return [...args];
  if (!params) return [...args, named];
  const bound: unknown[] = [...args];
  for (const key of keys) {
    const index = params.indexOf(key);
    if (index === -1) {
      throw new LydianError("invalid_argument", `there is no parameter "${key}": the function takes ${params.join(", ")}`);
    }
    if (index < args.length) throw new LydianError("invalid_argument", `parameter "${key}" was given twice, by position and by name`);
    bound[index] = named[key];
  }
  return Array.from(bound);
}

interface StandardIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[];
}
interface StandardSchema {
  readonly "~standard": {
    validate(value: unknown): StandardOutcome | Promise<StandardOutcome>;
  };
}
type StandardOutcome = { readonly value: unknown; readonly issues?: undefined } | { readonly issues: readonly StandardIssue[] };

const MAX_ISSUES = 20;

/** The single argument as the schema returns it. Throws `invalid_argument` with each path and what is wrong there. */
async function validated(args: readonly unknown[], schema: unknown): Promise<unknown[]> {
  if (args.length > 1) throw new LydianError("invalid_argument", `a function with an input schema takes one argument, not ${args.length}`);
  const outcome = await (schema as StandardSchema)["~standard"].validate(args[0]);
  if (!outcome.issues) return [outcome.value];
  const shown = outcome.issues.slice(0, MAX_ISSUES).map((issue) => `  ${pathText(issue)}: ${issue.message}`);
  if (outcome.issues.length > MAX_ISSUES) shown.push(`  … and ${outcome.issues.length - MAX_ISSUES} more`);
  throw new LydianError("invalid_argument", `the input does not match the function's schema:\n${shown.join("\n")}`, {
    details: outcome.issues,
  });
}

function pathText({ path }: StandardIssue): string {
  if (!path || path.length === 0) return "input";
  const keys = path.map((part) => (typeof part === "object" ? part.key : part));
  return `input${keys.map((key) => (typeof key === "number" ? `[${key}]` : `.${String(key)}`)).join("")}`;
}
