// What containers are made of, as pools see it.
import type { ContainerHost } from "@lydian/containers";
import type { AppLayoutSchema, MessageInitShape } from "@lydian/protocol";

export interface RootFilesystem {
  /** Directories, topmost first. */
  readonly layers: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly workdir?: string;
  /** A program that is given the command as its arguments, and is to run it. */
  readonly entrypoint?: readonly string[];
}

export interface ImagesPort {
  /** Undefined when there is no such image, or it is not built. */
  rootfs(imageId: string): RootFilesystem | undefined;
}

export interface MountsPort {
  files(mountId: string): readonly { readonly path: string; readonly size?: number }[];
  /** The version of the official client whose package the mount stands for; undefined for a mount of files. */
  clientVersion(mountId: string): string | undefined;
  layer(mountId: string): Promise<string>;
  linkInto(mountId: string, prefix: string, dir: string): Promise<void>;
}

export interface SecretsPort {
  /** The first of these that no longer exists. */
  missing(ids: readonly string[]): string | undefined;
  /** Their variables; of one name the last counts. */
  environment(ids: readonly string[]): Record<string, string>;
}

export interface ClientPackagesPort {
  /** Directory of the layer with a client's package and all it needs, for the Python of an image. Rejects with what is in the way. */
  layer(clientVersion: string, imageId: string): Promise<{ readonly layer: string; readonly python: string }>;
}

/** Of the apps that containers belong to. */
export interface LayoutsPort {
  /** What a container is told of its app: functions (a class is "Name.*" among them) and classes by name, and every object. */
  layout(appId: string): Exclude<MessageInitShape<typeof AppLayoutSchema>, { $typeName: string }>;
  environmentName(environmentId: string): string;
}

/** What every runtime is made with. */
export interface RuntimeParts {
  readonly host: ContainerHost;
  readonly images: ImagesPort;
  readonly mounts: MountsPort;
  readonly secrets: SecretsPort;
  readonly apps: LayoutsPort;
}
