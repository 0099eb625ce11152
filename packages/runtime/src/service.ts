// What a container does for its callers: one function, or the methods of one instance.
import { decodePayload, LydianError, type RegisteredClass, type RegisteredFunction, type ServedFunction } from "@lydian/protocol";

export interface Service {
  /** Throws `not_found` for a method that there is not; the name of a function's input is empty. */
  readonly find: (methodName: string) => ServedFunction;
  /** The last thing that is done. Throws what an exit hook threw. */
  readonly stop: () => Promise<void>;
}

/** `classArguments`: a CBOR list, or nothing. What a constructor or an enter hook throws is thrown as it is. */
export async function startService(registered: RegisteredFunction | RegisteredClass, classArguments: Uint8Array): Promise<Service> {
  if (registered.kind === "function") return functionService(registered);
  const { methods, stop } = await registered.start(classArguments.length === 0 ? [] : argumentList(decodePayload(classArguments)));
  return {
    stop,
    find: (name) => {
      const method = methods.get(name);
      if (method !== undefined) return method;
      throw new LydianError(
        "not_found",
        `the class ${registered.name ?? ""} has no method ${JSON.stringify(name)}; it has: ${[...methods.keys()].join(", ")}`,
      );
    },
  };
}

export const functionService = (fn: ServedFunction): Service => ({ find: () => fn, stop: async () => {} });

function argumentList(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw new LydianError("invalid_argument", "the arguments of the class are not a list");
}
