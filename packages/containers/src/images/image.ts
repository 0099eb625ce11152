/** What a container of an image starts with, apart from files. */
export interface ImageConfig {
  readonly env: Readonly<Record<string, string>>;
  readonly workdir?: string;
  /** `name`, `uid` or `uid:gid`. Absent: root. */
  readonly user?: string;
  readonly entrypoint?: readonly string[];
  readonly cmd?: readonly string[];
  /** How shell-form instructions run. Absent: `/bin/sh -c`. */
  readonly shell?: readonly string[];
  readonly labels?: Readonly<Record<string, string>>;
  readonly exposedPorts?: readonly string[];
}

/** A finished image: layers of the layer store, bottom first, and the configuration. */
export interface BuiltImage {
  readonly layers: readonly string[];
  readonly config: ImageConfig;
}

export const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** An image without files. */
export const SCRATCH: BuiltImage = { layers: [], config: { env: { PATH: DEFAULT_PATH } } };

/** A line of a build, without its line break. */
export interface BuildLogLine {
  readonly stream: "stdout" | "stderr" | "info";
  readonly text: string;
}

export type OnBuildLog = (line: BuildLogLine) => void;
