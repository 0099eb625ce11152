// What a container specification must fulfil before anything is done for it.

import { stat } from "node:fs/promises";
import { isAbsolute, normalize } from "node:path";
import type { ContainerSpec, Isolation } from "./host.ts";
import { atLeast } from "./isolation.ts";
import { checkPolicy } from "./network-policy.ts";
import { checkLimits } from "./oci/limits.ts";

const ID = /^[a-zA-Z0-9-]{1,64}$/;
/** The kernel's own limit on lower layers of an overlay. */
const MAX_LAYERS = 500;

type Command = Pick<ContainerSpec, "id" | "command" | "env" | "workdir">;

/** Throws an error that names the value and the rule. */
export function checkCommand(spec: Command): void {
  if (spec.command.length === 0) throw new TypeError(`Container ${spec.id} has no command.`);
  if (spec.workdir !== undefined && !isAbsolute(spec.workdir))
    throw new TypeError(`workdir ${JSON.stringify(spec.workdir)} must be absolute.`);
  for (const text of [...spec.command, ...Object.entries(spec.env).flat()]) {
    if (text.includes("\0")) throw new TypeError(`Container ${spec.id}: command and environment must not contain NUL bytes.`);
  }
  for (const name of Object.keys(spec.env)) {
    if (name === "" || name.includes("="))
      throw new TypeError(`Container ${spec.id}: ${JSON.stringify(name)} is no name for an environment variable.`);
  }
}

/** The same for all of a specification. Shared by all adapters. */
export function checkSpec(spec: ContainerSpec, isolations: readonly Isolation[]): void {
  if (!ID.test(spec.id)) throw new TypeError(`The container id ${JSON.stringify(spec.id)} must match ${ID.source}.`);
  checkCommand(spec);
  if (spec.layers.length > MAX_LAYERS)
    throw new RangeError(`Container ${spec.id} has ${spec.layers.length} layers; the kernel takes ${MAX_LAYERS}.`);
  const targets = new Set<string>();
  for (const { target, source } of spec.binds) {
    if (!isAbsolute(target) || normalize(target) !== target || target === "/" || target.endsWith("/")) {
      throw new TypeError(`The bind target ${JSON.stringify(target)} must be an absolute path without "..", not "/".`);
    }
    if (!isAbsolute(source)) throw new TypeError(`The bind source ${JSON.stringify(source)} must be absolute.`);
    if (targets.has(target)) throw new TypeError(`The bind target ${target} is given twice.`);
    targets.add(target);
  }
  checkLimits(spec.limits);
  checkPolicy(spec.network);
  const { isolation } = spec;
  if (isolation !== undefined && atLeast(isolation, isolations) === undefined) {
    const offered = isolations.length === 0 ? "nothing" : isolations.join(", ");
    throw new Error(`Container ${spec.id} is to be isolated by ${isolation}, which this host does not offer. It offers: ${offered}.`);
  }
}

/** Throws when these are no layers to mount. */
export async function checkLayers(layers: readonly string[]): Promise<void> {
  if (layers.length > MAX_LAYERS) throw new RangeError(`${layers.length} layers are too many; the kernel takes ${MAX_LAYERS}`);
  for (const layer of layers) {
    if (!(await stat(layer).catch(() => undefined))?.isDirectory()) throw new Error(`the layer ${layer} is not a directory`);
  }
}

/** Throws when a layer or the source of a bind does not exist. */
export async function checkSources(spec: ContainerSpec, what: { layers: boolean }): Promise<void> {
  if (what.layers && spec.layers.length === 0) throw new TypeError(`Container ${spec.id} has no layers.`);
  const missing = async (kind: string, path: string, directory: boolean) => {
    const found = await stat(path).catch(() => undefined);
    if (found === undefined) throw new Error(`Container ${spec.id}: the ${kind} ${path} does not exist.`);
    if (directory && !found.isDirectory()) throw new Error(`Container ${spec.id}: the ${kind} ${path} is not a directory.`);
  };
  await Promise.all([
    ...(what.layers ? spec.layers.map((layer) => missing("layer", layer, true)) : []),
    ...spec.binds.map((bind) => missing("bind source", bind.source, false)),
  ]);
}
