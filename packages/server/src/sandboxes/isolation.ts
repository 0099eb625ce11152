// Which isolation a sandbox gets.
import type { HostFeatures, Isolation } from "@lydian/containers";
import { LydianError } from "@lydian/protocol";

/** `runtime`: what its definition asks for; empty for the default, which is the strongest that costs no time. Throws when it is not offered. */
export function isolationOf(runtime: string, { isolations }: Pick<HostFeatures, "isolations">): Isolation | undefined {
  if (runtime === "gvisor") {
    if (isolations.includes("gvisor")) return "gvisor";
    throw new LydianError(
      "failed_precondition",
      `The sandbox asks for the runtime "gvisor", which this server does not have. It has: ${isolations.join(", ") || "no isolation"}.`,
      { hint: "Leave the runtime out: gVisor is not served yet." },
    );
  }
  return isolations.filter((each) => each !== "gvisor").at(-1) ?? isolations[0];
}
