import { defineConfig } from "vitest/config";

/** Migrations are imported as text, as esbuild does in the build. */
const sqlText = {
  name: "sql-text",
  transform: (code: string, id: string) => (id.endsWith(".sql") ? `export default ${JSON.stringify(code)};` : undefined),
};
const plugins = [sqlText];
const resolve = { conditions: ["lydian-source", "node", "import", "module", "default"] };
const ssr = { resolve: { conditions: resolve.conditions } };

/** `unit` needs nothing but Node; `system` starts servers and real containers, one file at a time. */
// biome-ignore lint/style/noDefaultExport: vitest reads the default export.
export default defineConfig({
  test: {
    projects: [
      {
        plugins,
        resolve,
        ssr,
        test: {
          name: "unit",
          include: ["packages/*/{src,test}/**/*.test.ts"],
          exclude: ["**/*.system.test.ts", "**/node_modules/**"],
          // For a machine that does other things as well: no test waits for time.
          testTimeout: 30_000,
        },
      },
      {
        plugins,
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
