// What of a function's containers can be changed while it is deployed or runs.
import { InvalidError } from "./errors.ts";
import { type FunctionOptions, resolveOptions } from "./options.ts";

const NAMES = ["minContainers", "maxContainers", "bufferContainers", "scaledownWindow"] as const satisfies (keyof FunctionOptions)[];

/** As the options of the same names; what is not given stays. */
export type AutoscalerOptions = Pick<FunctionOptions, (typeof NAMES)[number]>;

/** As the wire has it. Throws InvalidError that names the option, the value and the rule. */
export function autoscalerSettings(options: AutoscalerOptions) {
  for (const name of Object.keys(options)) {
    if ((NAMES as readonly string[]).includes(name)) continue;
    throw new InvalidError(`\`${name}\` is no option of updateAutoscaler; it has: ${NAMES.join(", ")}.`);
  }
  const { minContainers, maxContainers, bufferContainers, scaledownSeconds } = resolveOptions(options);
  return {
    ...(options.minContainers !== undefined && { minContainers }),
    ...(options.maxContainers !== undefined && { maxContainers }),
    ...(options.bufferContainers !== undefined && { bufferContainers }),
    ...(options.scaledownWindow !== undefined && { scaledownWindow: scaledownSeconds }),
  };
}
