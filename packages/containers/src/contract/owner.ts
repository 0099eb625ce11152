// A program that owns a host until it is killed: the test of what a killed server leaves. Usage: STATE_DIR LAUNCHER LAYER RUNTIME

import { createOciHost } from "../oci/oci-host.ts";

const [, , stateDir = "", launcherProgram = "", layer = "", runtime = ""] = process.argv;
const host = await createOciHost({ stateDir, launcherProgram, runtime: runtime === "runc" ? "runc" : "crun" });
await host.warm(1);
const start = (id: string, keepWritableLayer: boolean) =>
  host.start({
    id,
    layers: [layer],
    command: ["/bin/sh", "-c", "sleep 1000 & exec sleep 1000"],
    env: { PATH: "/bin" },
    limits: { memoryMiB: 64 },
    network: "outbound",
    binds: [],
    keepWritableLayer,
  });
const [, second] = await Promise.all([start("left-1", false), start("left-2", true)]);
const outliving = await host.start({
  id: "kept",
  layers: [layer],
  command: ["/bin/sh", "-c", "trap 'exit 7' INT; while :; do sleep 0.02; done"],
  env: { PATH: "/bin:/usr/bin" },
  limits: {},
  network: "outbound",
  binds: [],
  mayOutlive: host.features.adoption,
});
if (host.features.adoption) await outliving.outlive();
// Frozen processes must not be left either.
await second.pause();
process.stdout.write("started\n");
// … and one more that is half-way when the kill comes.
void start("left-3", false);
setInterval(() => {}, 1_000);
