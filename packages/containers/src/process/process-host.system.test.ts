import { hostContract } from "../contract/contract.ts";
import { createProcessHost } from "./process-host.ts";

hostContract({
  name: "process",
  features: {
    isolation: false,
    limits: false,
    diskLimit: false,
    images: false,
    networkIsolation: false,
    pause: false,
    networkPolicy: false,
    snapshots: false,
    mounts: false,
    isolations: [],
    adoption: false,
    sharedNetwork: false,
  },
  create: (stateDir) => createProcessHost({ stateDir }),
});
