// Images of sandboxes as ids of the server. Each is asked for once: what was built stays built.
import type { Client } from "../client.ts";
import { LydianError, typedError } from "../errors.ts";
import type { Image } from "../image/image.ts";
import { readLocalFiles } from "../image/local-files.ts";
import { buildImage } from "../run/build-image.ts";
import { createSecret, type SecretContext } from "../run/create-secrets.ts";
import { uploadMount } from "../run/upload-mount.ts";

export interface PreparedImage {
  readonly imageId: string;
  /** Of files that are added when a container starts. */
  readonly mountIds: readonly string[];
}

const known = new WeakMap<Client, WeakMap<Image, Promise<PreparedImage>>>();

/** Builds what is not built. Rejects with the step that failed and what it printed. */
export function prepareImage(image: Image, context: SecretContext): Promise<PreparedImage> {
  const ofClient = known.get(context.client) ?? new WeakMap<Image, Promise<PreparedImage>>();
  known.set(context.client, ofClient);
  let prepared = ofClient.get(image);
  if (!prepared) {
    prepared = prepare(image, context);
    ofClient.set(image, prepared);
    prepared.catch(() => ofClient.delete(image));
  }
  return prepared;
}

/** After the server said that it does not have it: somebody has deleted it. Whether it had been asked for. */
export function forgetImage(image: Image, client: Client, error: unknown): boolean {
  return LydianError.is(error) && error.code === "not_found" && (known.get(client)?.delete(image) ?? false);
}

async function prepare(image: Image, context: SecretContext): Promise<PreparedImage> {
  const { client, appId } = context;
  try {
    const [imageId, ...mountIds] = await Promise.all([
      buildImage(image, { client, appId, secretId: (secret) => createSecret(secret, context), onEvent: () => undefined }),
      ...image.mounted.map(async (files) => uploadMount(client, appId, await readLocalFiles(files))),
    ]);
    return { imageId, mountIds };
  } catch (error) {
    throw typedError(error);
  }
}
