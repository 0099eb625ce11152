// Which exports of a module may be handles of functions. A footer that names an export keeps it in the bundle, so what cannot be one (functions,
// classes, literals, types) is not named.
import type { BindingPattern, Expression, Program } from "oxc-parser";

export interface ExportedCandidate {
  readonly name: string;
  /** Name in the module; "default" for a default export that has none. */
  readonly local: string;
}

export function exportedCandidates(program: Program): ExportedCandidate[] {
  const locals = new Map<string, Expression | null>();
  const candidates: ExportedCandidate[] = [];
  const declared = (declaration: { type: string } | null | undefined, isExported: boolean) => {
    if (declaration?.type !== "VariableDeclaration") return;
    const { declarations } = declaration as Extract<Program["body"][number], { type: "VariableDeclaration" }>;
    for (const { id, init } of declarations) {
      for (const name of boundNames(id as BindingPattern)) {
        locals.set(name, init ?? null);
        if (isExported && (id.type !== "Identifier" || mayBeHandle(init))) candidates.push({ name, local: name });
      }
    }
  };
  for (const statement of program.body) {
    if (statement.type === "VariableDeclaration") declared(statement, false);
    else if (statement.type === "ExportNamedDeclaration") declared(statement.declaration, true);
  }
  for (const statement of program.body) {
    if (statement.type === "ExportDefaultDeclaration") {
      const value = statement.declaration;
      if (value.type === "Identifier" && locals.has(value.name)) {
        if (mayBeHandle(locals.get(value.name))) candidates.push({ name: "default", local: value.name });
      } else if (isExpression(value) && mayBeHandle(value)) candidates.push({ name: "default", local: "default" });
    }
    if (statement.type !== "ExportNamedDeclaration" || statement.source || statement.exportKind === "type") continue;
    for (const { local, exported, exportKind } of statement.specifiers) {
      if (exportKind === "type" || local.type !== "Identifier") continue;
      if (!mayBeHandle(locals.get(local.name))) continue;
      candidates.push({ name: exported.type === "Identifier" ? exported.name : exported.value, local: local.name });
    }
  }
  return candidates;
}

function isExpression(value: { readonly type: string }): value is Expression {
  return !value.type.endsWith("Declaration") && value.type !== "FunctionExpression" && value.type !== "ClassExpression";
}

const HANDLE_EXPRESSIONS = new Set([
  "CallExpression",
  "AwaitExpression",
  "Identifier",
  "MemberExpression",
  "ConditionalExpression",
  "LogicalExpression",
  "SequenceExpression",
]);
const WRAPPERS = new Set(["TSAsExpression", "TSSatisfiesExpression", "TSNonNullExpression", "TSTypeAssertion", "ParenthesizedExpression"]);

function mayBeHandle(init: Expression | null | undefined): boolean {
  let at = init;
  while (at && WRAPPERS.has(at.type)) at = (at as { expression?: Expression }).expression;
  return at ? HANDLE_EXPRESSIONS.has(at.type) : false;
}

function boundNames(pattern: BindingPattern): string[] {
  switch (pattern.type) {
    case "Identifier":
      return [pattern.name];
    case "ObjectPattern":
      return pattern.properties.flatMap((property) =>
        boundNames((property.type === "Property" ? property.value : property.argument) as BindingPattern),
      );
    case "ArrayPattern":
      return pattern.elements.flatMap((element) =>
        element ? boundNames((element.type === "RestElement" ? element.argument : element) as BindingPattern) : [],
      );
    case "AssignmentPattern":
      return boundNames(pattern.left as BindingPattern);
    default:
      return [];
  }
}
