import { readFile } from "node:fs/promises";
import { basename, dirname, extname } from "node:path";
import { pathToFileURL } from "node:url";
import type { Loader, OnLoadResult, Plugin } from "esbuild";
import { isLydianFile, ownLydian } from "./lydian-package.ts";
import { projectPath, SOURCE_DIR } from "./place.ts";
import { prepareUserModule } from "./user-module.ts";

export interface UserModulesOptions {
  readonly root: string;
  /** For a container rather than for this process. */
  readonly remote: boolean;
}

const PLACE = "lydian-place";
const LOADERS: Readonly<Record<string, Loader>> = { ".ts": "ts", ".mts": "ts", ".tsx": "tsx", ".jsx": "jsx", ".js": "js", ".mjs": "js" };

/** Binds names, keeps paths meaningful and finds the SDK, in the user's own modules. Packages stay as they are. */
export function userModules({ root, remote }: UserModulesOptions): Plugin {
  return {
    name: "lydian-user-modules",
    setup(build) {
      build.onResolve({ filter: /^lydian$/ }, async ({ path, resolveDir, importer, kind, pluginData }) => {
        if (pluginData === PLACE) return undefined;
        const installed = await build.resolve(path, { resolveDir, importer, kind, pluginData: PLACE });
        const file = installed.errors.length === 0 ? installed.path : ownLydian();
        // A built SDK need not be bundled into what runs here; sources must be.
        if (!remote && file.endsWith(".js")) return { path: pathToFileURL(file).href, external: true };
        return { path: file, sideEffects: false };
      });

      // Where a file is: in this process its real place, in a container its place under /app/src.
      build.onResolve({ filter: /^lydian-place:/ }, ({ path }) => ({
        path: path.slice(PLACE.length + 1),
        namespace: PLACE,
        sideEffects: false,
      }));
      build.onLoad({ filter: /.*/, namespace: PLACE }, ({ path }) => {
        const filename = remote ? `${SOURCE_DIR}/${path}` : path;
        const lines = Object.entries({ dirname: dirname(filename), filename, url: pathToFileURL(filename).href });
        return { contents: lines.map(([name, value]) => `export const ${name} = ${JSON.stringify(value)};`).join("\n") };
      });

      build.onLoad({ filter: /\.(?:[mc]?[jt]s|[jt]sx)$/, namespace: "file" }, async ({ path, with: attributes }) => {
        if (attributes.type !== undefined) return undefined;
        const loader = LOADERS[extname(path)];
        if (!loader || path.includes("/node_modules/") || isLydianFile(path)) return undefined;
        const source = await readFile(path, "utf8");
        const file = projectPath(root, path);
        const place = remote ? file : path;
        const options = { file, placeModule: `${PLACE}:${place}`, self: `./${basename(path)}`, remote };
        return { contents: prepareUserModule(source, path, options), loader };
      });

      build.onLoad({ filter: /.*/, namespace: "file" }, ({ path, with: attributes }) => loadByAttribute(path, attributes.type));
    },
  };
}

const ATTRIBUTE_LOADERS: Readonly<Record<string, Loader>> = { text: "text", json: "json", bytes: "binary" };

/** `import text from "./prompt.md" with { type: "text" }` */
async function loadByAttribute(path: string, type: string | undefined): Promise<OnLoadResult | undefined> {
  if (type === undefined) return undefined;
  const loader = ATTRIBUTE_LOADERS[type];
  if (!loader) {
    return { errors: [{ text: `there is no import attribute type "${type}"; known are ${Object.keys(ATTRIBUTE_LOADERS).join(", ")}` }] };
  }
  return { contents: await readFile(path), loader };
}
