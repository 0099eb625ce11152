/** User code as it travels into containers. */
export interface Bundle {
  /** By absolute path in the container, all under /app/. */
  readonly files: ReadonlyMap<string, BundleFile>;
  /** Hex SHA-256 over paths, modes and contents: the same for the same input on every machine. */
  readonly hash: string;
  readonly entry: "/app/main.mjs";
  /** Packages that cannot be bundled, with the version that is installed here: the image needs exactly these. */
  readonly nativePackages: Readonly<Record<string, string>>;
  /** Absolute paths of the files it was made from, but those of packages. */
  readonly sources: readonly string[];
  /** For a person, each a sentence or a few lines. */
  readonly warnings: readonly string[];
}

export interface BundleFile {
  readonly data: Uint8Array;
  /** Permission bits. */
  readonly mode: number;
}
