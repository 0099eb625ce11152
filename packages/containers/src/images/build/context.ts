import type { BuiltImage, OnBuildLog } from "../image.ts";
import type { RegistryLogin } from "../registry/client.ts";

/** A file of the build context, by content. */
export interface ContextFile {
  /** Absolute and normalised; "/" is the root of the context. */
  readonly path: string;
  readonly sha256: string;
  /** Permission bits. */
  readonly mode: number;
  /** Where the content is: a file of this machine, or the bytes. */
  readonly content: { readonly file: string } | { readonly data: Uint8Array };
}

export interface BuildSecrets {
  readonly env: Readonly<Record<string, string>>;
  /** Tells nothing of the values, and differs when they do: a layer is found again only by who has the same. */
  readonly fingerprint: string;
}

/** A layer on top of those of the lines, made by the caller. */
export interface FinalStep {
  /** For logs. */
  readonly title: string;
  /** Steps with equal keys on equal layers are one. */
  readonly key: string;
  /** Makes the layer at `target`, which does not exist yet. */
  readonly make: (target: string, options: { readonly signal: AbortSignal; readonly onLog: OnBuildLog }) => Promise<void>;
}

/** What an image is made of. Equal recipes give equal layers. */
export interface ImageRecipe {
  /** Lines of a Dockerfile. */
  readonly lines: readonly string[];
  /** Images that FROM can name, e.g. "base". They win over names of registries. */
  readonly bases?: Readonly<Record<string, BuiltImage>>;
  readonly context?: readonly ContextFile[];
  /** Folders of the build context that are folders of images instead: the images' names by the path, which is the same in both. */
  readonly contextImages?: Readonly<Record<string, string>>;
  readonly buildArgs?: Readonly<Record<string, string>>;
  /** Variables that commands see, and that stand in no layer and no configuration. */
  readonly secrets?: BuildSecrets;
  /** For images of registries that FROM and COPY name. */
  readonly login?: RegistryLogin;
  readonly finalStep?: FinalStep;
  /** Makes every layer anew that is made with this value for the first time. Absent: layers are found again. */
  readonly salt?: string;
}
