import { AsyncLocalStorage } from "node:async_hooks";
import { CURRENT_INPUT, type InputContext } from "@lydian/protocol/core";

export type { InputContext } from "@lydian/protocol/core";

/** True on the developer's machine, false in a container. The bundler folds it. */
export const isLocal = (): boolean => process.env.LYDIAN_IS_REMOTE !== "1";

/**
 * The input that this handler works on; undefined outside of one.
 *
 * @example
 * await fetch(url, { signal: currentInput()?.signal ?? null });
 */
export function currentInput(): InputContext | undefined {
  const shared = globalThis as Record<symbol, unknown>;
  shared[CURRENT_INPUT] ??= new AsyncLocalStorage<InputContext>();
  return (shared[CURRENT_INPUT] as AsyncLocalStorage<InputContext>).getStore();
}
