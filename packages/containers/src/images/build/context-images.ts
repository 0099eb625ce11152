// Folders of the build context that are folders of an image: large trees with links, which a list of files could not say.
import { posix } from "node:path";
import type { Copy } from "../dockerfile/instructions.ts";
import { splitWords } from "../dockerfile/words.ts";

/** The image that all sources of a COPY lie in; undefined when they are files of the context. */
export function contextImage({ paths }: Pick<Copy, "paths">, images: Readonly<Record<string, string>> = {}): string | undefined {
  const words = typeof paths === "string" ? splitWords(paths, () => "") : paths;
  const sources = words.slice(0, -1).map((source) => posix.resolve("/", source));
  const lieIn = (folder: string): boolean => sources.every((source) => source === folder || source.startsWith(`${folder}/`));
  const [, image] = Object.entries(images).find(([folder]) => lieIn(folder)) ?? [];
  return image;
}
