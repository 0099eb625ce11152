// What is done to each of the user's own modules before esbuild sees it. Every edit keeps lines and columns, so that source maps stay exact:
// replaced text is padded to its length, and new text goes behind the end.
import { type ExpressionStatement, type Program, parseSync, Visitor } from "oxc-parser";
import { exportedCandidates } from "./exported-candidates.ts";

export interface UserModuleOptions {
  /** The module's name in registrations and stacks, e.g. "src/hello.ts". */
  readonly file: string;
  /** Specifier of the virtual module that exports `dirname`, `filename` and `url` of this file. */
  readonly placeModule: string;
  /** Specifier by which the module can import itself. */
  readonly self: string;
  /** For a container: entrypoints, which only run locally, are left out, and isLocal() is false. */
  readonly remote: boolean;
}

interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** The module with its names bound to its registrations. Code that does not parse is returned as it is: esbuild says why. */
export function prepareUserModule(source: string, path: string, options: UserModuleOptions): string {
  const parsed = parseSync(path, source, { sourceType: "module" });
  if (parsed.errors.length > 0) return source;
  const edits: Edit[] = [];
  const footer: string[] = [];

  const places = placeEdits(source, parsed.module.importMetas);
  edits.push(...places.edits);
  if (places.used.size > 0) {
    const names = [...places.used].sort().map((name) => `${name} as ${PLACES[name]}`);
    footer.push(`import { ${names.join(", ")} } from ${JSON.stringify(options.placeModule)};`);
  }
  if (options.remote) {
    const removed = entrypointStatements(parsed.program);
    edits.push(...removed.map(({ start, end }) => ({ start, end, text: ";" })));
    const within = ({ start }: Edit) => removed.some((statement) => start >= statement.start && start < statement.end);
    edits.push(...localCallEdits(source, parsed.program).filter((edit) => !within(edit)));
  }
  const exported = exportedCandidates(parsed.program);
  if (exported.length > 0) {
    if (exported.some(({ local }) => local === "default")) footer.push(`import __lydianDefault from ${JSON.stringify(options.self)};`);
    const pairs = exported.map(({ name, local }) => `${JSON.stringify(name)}: ${local === "default" ? "__lydianDefault" : local}`);
    footer.push('import { bindExports as __lydianBind } from "lydian";');
    footer.push(`__lydianBind(${JSON.stringify(options.file)}, { ${pairs.join(", ")} });`);
  }
  const edited = applyEdits(source, edits);
  return footer.length > 0 ? `${edited}\n;${footer.join(" ")}\n` : edited;
}

const PLACES = { dirname: "__lydianDirname", filename: "__lydianFilename", url: "__lydianUrl" } as const;

function placeEdits(source: string, metas: readonly { readonly start: number; readonly end: number }[]) {
  const edits: Edit[] = [];
  const used = new Set<keyof typeof PLACES>();
  for (const { start, end } of metas) {
    const property = /^\.(dirname|filename|url)\b/.exec(source.slice(end, end + 10))?.[1] as keyof typeof PLACES | undefined;
    if (!property) continue;
    used.add(property);
    edits.push({ start, end: end + 1 + property.length, text: PLACES[property] });
  }
  return { edits, used };
}

/** Statements `app.localEntrypoint(…)` at top level. Leaving them out keeps what only they need (flag schemas, say) out of the bundle. */
function entrypointStatements(program: Program): ExpressionStatement[] {
  return program.body.filter((statement): statement is ExpressionStatement => {
    if (statement.type !== "ExpressionStatement" || statement.expression.type !== "CallExpression") return false;
    const { callee } = statement.expression;
    return (
      callee.type === "MemberExpression" &&
      callee.object.type === "Identifier" &&
      callee.property.type === "Identifier" &&
      callee.property.name === "localEntrypoint"
    );
  });
}

/** Calls of the SDK's isLocal, which esbuild cannot fold across modules by itself. A name that is declared a second time is left alone. */
function localCallEdits(source: string, program: Program): Edit[] {
  const alias = importedAs(program, "isLocal");
  if (alias === undefined) return [];
  const edits: Edit[] = [];
  let shadowed = false;
  const bound = ({ start, end }: { readonly start: number; readonly end: number }) => {
    if (source.slice(start, end).includes(alias)) shadowed = true;
  };
  const parameters = ({ params }: { readonly params: readonly { readonly start: number; readonly end: number }[] }) =>
    params.forEach(bound);
  new Visitor({
    CallExpression: ({ callee, start, end, arguments: args }) => {
      if (callee.type === "Identifier" && callee.name === alias && args.length === 0) edits.push({ start, end, text: "false" });
    },
    VariableDeclarator: ({ id }) => bound(id),
    FunctionDeclaration: parameters,
    FunctionExpression: parameters,
    ArrowFunctionExpression: parameters,
  }).visit(program);
  // An alias like `l` leaves no room for "false"; its branches stay, and are decided at run time.
  return shadowed ? [] : edits.filter(({ start, end, text }) => end - start >= text.length);
}

function importedAs(program: Program, name: string): string | undefined {
  for (const statement of program.body) {
    if (statement.type !== "ImportDeclaration" || statement.source.value !== "lydian") continue;
    for (const specifier of statement.specifiers) {
      if (specifier.type !== "ImportSpecifier") continue;
      const imported = specifier.imported.type === "Identifier" ? specifier.imported.name : specifier.imported.value;
      if (imported === name) return specifier.local.name;
    }
  }
  return undefined;
}

function applyEdits(source: string, edits: readonly Edit[]): string {
  let result = "";
  let at = 0;
  for (const { start, end, text } of [...edits].sort((a, b) => a.start - b.start)) {
    if (start < at) continue; // Inside what was left out.
    const blank = source.slice(start + text.length, end).replace(/[^\r\n]/g, " ");
    result += source.slice(at, start) + text + blank;
    at = end;
  }
  return result + source.slice(at);
}
