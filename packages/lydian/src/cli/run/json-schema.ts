// What flags need of a JSON Schema: the object's properties, reduced to kinds that a command line can express.
import type { StandardJSONSchemaV1, StandardSchemaV1 } from "@standard-schema/spec";

export type FlagKind = "string" | "number" | "boolean" | "json";

export interface Property {
  readonly key: string;
  readonly kind: FlagKind;
  readonly list: boolean;
  readonly required: boolean;
  readonly choices: readonly string[] | undefined;
  readonly description: string | undefined;
  /** Undefined when there is none. */
  readonly default: unknown;
}

interface Node {
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly anyOf?: readonly Node[];
  readonly oneOf?: readonly Node[];
  readonly items?: Node;
  readonly default?: unknown;
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Node>>;
  readonly required?: readonly string[];
}

/** Properties of an object schema as a caller writes it; undefined when the schema cannot describe itself as an object. */
export function propertiesOf(schema: unknown): readonly Property[] | undefined {
  const describe = (schema as StandardJSONSchemaV1 | undefined)?.["~standard"]?.jsonSchema?.input;
  if (!describe) return undefined;
  const root = describe({ target: "draft-2020-12" }) as Node;
  if (!root.properties) return undefined;
  const required = new Set(root.required);
  return Object.entries(root.properties).map(([key, node]) => propertyOf(key, node, required.has(key)));
}

function propertyOf(key: string, node: Node, required: boolean): Property {
  const main = unwrap(node);
  const list = typeOf(main) === "array";
  const item = list ? unwrap(main.items ?? {}) : main;
  const choices = item.enum?.every((value) => typeof value === "string") ? (item.enum as readonly string[]) : undefined;
  return {
    key,
    kind: kindOf(item),
    list,
    required: required && node.default === undefined,
    choices,
    description: node.description ?? main.description,
    default: node.default ?? main.default,
  };
}

/** `T | null` and the like count as T. A union of constants becomes an enum. */
function unwrap(node: Node): Node {
  const options = (node.anyOf ?? node.oneOf)?.filter((option) => typeOf(option) !== "null");
  if (!options || options.length === 0) return node;
  if (options.every((option) => option.const !== undefined)) return { ...node, enum: options.map((option) => option.const) };
  return options.length === 1 ? { ...options[0] } : { ...node, type: "union" };
}

function typeOf(node: Node): string | undefined {
  if (typeof node.type === "string") return node.type;
  return node.type?.find((type) => type !== "null");
}

function kindOf(node: Node): FlagKind {
  const values = node.enum ?? (node.const === undefined ? undefined : [node.const]);
  const type = typeOf(node) ?? (values?.[0] === undefined ? undefined : typeof values[0]);
  if (type === "number" || type === "integer") return "number";
  if (type === "boolean") return "boolean";
  return type === "string" ? "string" : type === undefined ? "string" : "json";
}

/** Runs the schema. The message names each place and rule. */
export async function validate(schema: unknown, value: unknown): Promise<{ value: unknown } | { problem: string }> {
  const standard = (schema as StandardSchemaV1 | undefined)?.["~standard"];
  if (!standard) return { value };
  const result = await standard.validate(value);
  if (!result.issues) return { value: result.value };
  const lines = result.issues.map((issue) => {
    const path = (issue.path ?? []).map((part) => String(typeof part === "object" ? part.key : part)).join(".");
    return path ? `${flagName(path)}: ${issue.message}` : issue.message;
  });
  return { problem: lines.join("; ") };
}

/** `maxCount` is written `--max-count`. */
export function flagName(key: string): string {
  return `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`).replaceAll("_", "-")}`;
}
