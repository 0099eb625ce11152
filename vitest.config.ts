import { defineConfig } from "vitest/config";

const resolve = { conditions: ["lydian-source", "node", "import", "module", "default"] };
const ssr = { resolve: { conditions: resolve.conditions } };

/** `unit` needs nothing but Node; `system` starts servers and real containers, one file at a time. */
// biome-ignore lint/style/noDefaultExport: vitest reads the default export.
export default defineConfig({
  test: {
    projects: [
      { resolve, ssr, test: { name: "unit", include: ["packages/*/{src,test}/**/*.test.ts"], exclude: ["**/*.system.test.ts", "**/node_modules/**"] } },
      {
        resolve,
        ssr,
        test: {
          name: "system",
          include: ["{packages,conformance,examples,docs}/**/*.system.test.ts"],
          exclude: ["**/node_modules/**"],
          fileParallelism: false,
          testTimeout: 180_000,
          hookTimeout: 300_000,
        },
      },
    ],
  },
});
