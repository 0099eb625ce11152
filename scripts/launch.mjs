// What ./lydian starts: set-up and the CLI in one process.
import { ensureReady, explainFailure } from "./setup.mjs";

try {
  await ensureReady();
} catch (error) {
  process.exit(explainFailure(error));
}
await import("../packages/lydian/dist/cli.js");
