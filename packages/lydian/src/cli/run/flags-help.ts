import type { FlagsOptions } from "./flags.ts";
import { flagName, type Property, propertiesOf } from "./json-schema.ts";

export interface HelpOptions extends FlagsOptions {
  /** As typed, e.g. "hello.ts::main". */
  readonly reference: string;
  readonly description?: string;
  /** Names of the handler's positional parameters, for functions without a schema. */
  readonly params?: readonly string[];
}

/** The help text of an entrypoint or function. */
export function flagsHelp(options: HelpOptions): string {
  const properties = propertiesOf(options.schema);
  if (!properties) {
    const params = options.params?.map((name) => `<${name}>`).join(" ") ?? "[arguments…]";
    return `Usage: lydian run ${options.reference} ${params}\n\nArguments are read as JSON, or as text where they are not JSON.\n`;
  }
  const positionals = (options.positionals ?? []).map((key) => (properties.find((it) => it.key === key)?.list ? `[${key}…]` : `[${key}]`));
  const rows = properties.map((property) => [usageOf(property, options.short?.[property.key]), aboutOf(property)] as const);
  rows.push(["    --help", "show this help"]);
  const width = Math.max(...rows.map(([usage]) => usage.length)) + 2;
  const lines = rows.map(([usage, about]) => `  ${usage.padEnd(width)}${about}`.trimEnd());
  const usage = ["Usage: lydian run", options.reference, ...positionals, "[flags]"].join(" ");
  return `${usage}\n${options.description ? `\n${options.description}\n` : ""}\nFlags:\n${lines.join("\n")}\n`;
}

function usageOf(property: Property, short: string | undefined): string {
  const lead = short ? `-${short}, ` : "    ";
  const flag = flagName(property.key);
  if (property.kind === "boolean" && !property.list) return `${lead}${flag}${property.default === true ? `, --no-${flag.slice(2)}` : ""}`;
  return `${lead}${flag} <${property.choices?.join("|") ?? property.kind}>`;
}

function aboutOf(property: Property): string {
  const notes = [];
  if (property.required) notes.push("required");
  if (property.list) notes.push("may be repeated");
  if (property.default !== undefined) notes.push(`default ${JSON.stringify(property.default)}`);
  return [property.description, notes.length > 0 ? `(${notes.join(", ")})` : undefined].filter(Boolean).join(" ");
}
