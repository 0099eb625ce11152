import type { Context } from "./context.ts";

/** Something that makes an image from a Dockerfile, with a store of its own that begins empty. */
export interface Builder extends AsyncDisposable {
  readonly name: string;
  build(context: Context): Promise<void>;
  /** A root file system of the image that was built last, in which a container runs until the function ends. */
  withRootfs<T>(context: Context, run: (rootfs: string) => Promise<T>): Promise<T>;
  /** Where everything is that it keeps. */
  readonly store: string;
}
