/** Why an image could not be made. Decides what the caller is told and whether a retry can help. */
export type ImageErrorKind =
  /** The recipe is wrong: fix the named line. */
  | "invalid"
  /** A RUN step ended with an error of its own. */
  | "step_failed"
  /** A registry, mirror or base image could not be had. */
  | "unreachable"
  /** This machine cannot do it: no root, no tool, a host without images. */
  | "unsupported"
  | "disk_full"
  | "cancelled"
  /** Bytes are not what their digest says, or an archive is hostile. */
  | "corrupt";

/** The one error of the image side. `message` is complete by itself and meant for people. */
export class ImageError extends Error {
  override readonly name = "ImageError";
  readonly kind: ImageErrorKind;
  /** Exit code of a failed step. */
  readonly exitCode: number | undefined;

  constructor(kind: ImageErrorKind, message: string, options: { cause?: unknown; exitCode?: number } = {}) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.kind = kind;
    this.exitCode = options.exitCode;
  }
}

/** The message of anything thrown. */
export function reasonOf(error: unknown): string {
  if (error instanceof Error) {
    const cause = error.cause instanceof Error && error.cause.message !== "" ? ` (${error.cause.message})` : "";
    return error.message + cause;
  }
  return String(error);
}

/** Throws the cancelled error when `signal` has been aborted. */
export function throwIfCancelled(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new ImageError("cancelled", "The image build was cancelled.", { cause: signal.reason });
}
