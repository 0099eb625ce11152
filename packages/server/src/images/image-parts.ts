// Where images lie and what makes them.
import { join } from "node:path";
import { BaseImages, type ContainerHost, ImageBuilder, LayerStore } from "@lydian/containers";
import { ClientPackages } from "../clients/client-packages.ts";
import type { ResolvedServerConfig } from "../config.ts";
import type { Images } from "./images.ts";

export interface ImageParts {
  readonly layers: LayerStore;
  readonly builder: ImageBuilder;
  /** The packages of official clients, made as images are. */
  clients(images: Images, log: (message: string) => void): ClientPackages;
}

export async function openImageParts(
  { dataDir, npmRegistry, registryMirrors }: ResolvedServerConfig,
  host: ContainerHost,
): Promise<ImageParts> {
  const registry = npmRegistry === undefined ? {} : { npmRegistry };
  const layers = await LayerStore.open({ dir: join(dataDir, "layers") });
  const bases = new BaseImages({ store: layers, mirrors: registryMirrors, ...registry });
  const builder = new ImageBuilder({ store: layers, host, bases, ...registry });
  return {
    layers,
    builder,
    clients: (images, log) =>
      new ClientPackages({
        build: async (lines, onLog) => (await builder.build({ lines, bases: {}, context: [], buildArgs: {} }, { onLog })).layers,
        path: (layer) => layers.path(layer),
        python: (imageId) => images.python(imageId),
        log,
      }),
  };
}
