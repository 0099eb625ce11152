// Stages of a Dockerfile: which of them the last one needs. The others are not built.
import { ImageError } from "../errors.ts";
import type { Instruction } from "./instructions.ts";

/** The number of the stage that `name` means to stage `before`: the name or the number of an earlier one. */
export function stageNumber(names: readonly (string | undefined)[], name: string, before: number): number | undefined {
  const byName = names.slice(0, before).lastIndexOf(name.toLowerCase());
  if (byName >= 0) return byName;
  return /^\d+$/.test(name) && Number(name) < before ? Number(name) : undefined;
}

export function stageNames(instructions: readonly Instruction[]): readonly (string | undefined)[] {
  return instructions.flatMap((instruction) => (instruction.kind === "from" ? [instruction.as] : []));
}

/** Numbers of the stages that the last one is made from, itself included. */
export function neededStages(instructions: readonly Instruction[]): ReadonlySet<number> {
  const names = stageNames(instructions);
  const uses: Set<number>[] = [];
  for (const instruction of instructions) {
    if (instruction.kind === "from") uses.push(new Set());
    const current = uses.length - 1;
    for (const name of namedBy(instruction)) {
      // What a variable says is known only while building, so that it may be any. No stage has a ":" or "/" in its name.
      const literal = name.replace(/\$\{[^}]*\}/g, "");
      const used = name.includes("$") && !/[:/]/.test(literal) ? names.keys() : [stageNumber(names, name, current)];
      for (const number of used) if (number !== undefined && number < current) uses[current]?.add(number);
    }
    assertNumberExists(instruction, current);
  }
  const needed = new Set<number>();
  const visit = (number: number): void => {
    if (needed.has(number)) return;
    needed.add(number);
    for (const used of uses[number] ?? []) visit(used);
  };
  if (names.length > 0) visit(names.length - 1);
  return needed;
}

function namedBy(instruction: Instruction): readonly string[] {
  if (instruction.kind === "from") return [instruction.image];
  if (instruction.kind === "copy") return instruction.from === undefined ? [] : [instruction.from];
  if (instruction.kind === "run") return instruction.mounts.flatMap(({ from }) => (from === undefined ? [] : [from]));
  return [];
}

function assertNumberExists(instruction: Instruction, current: number): void {
  if (instruction.kind !== "copy" || instruction.from === undefined || !/^\d+$/.test(instruction.from)) return;
  if (Number(instruction.from) >= current)
    throw new ImageError(
      "invalid",
      `Line ${instruction.line} of the Dockerfile copies from stage ${instruction.from}, which does not come before it.`,
    );
}
