// Variables that exist only while an image is built. They let apt, npm and pip reach what this machine reaches, and
// enter neither the image nor the keys of its layers: the same recipe gives the same image behind another mirror.
import { PYTHON_VARIABLES, SYSTEM_BUNDLE } from "../bases/host-certificates.ts";

/** Variables of this machine that a build step sees as well. */
const CARRIED = ["UV_INDEX_URL", "UV_DEFAULT_INDEX", "http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"];

export interface BuildEnvironmentOptions {
  readonly hostEnv: NodeJS.ProcessEnv;
  /** Absent: npm's default. */
  readonly npmRegistry?: string;
  /** pip's settings of this machine, as variables. Default none. */
  readonly pip?: Readonly<Record<string, string>>;
  /** The base image has certificates of this machine. */
  readonly hasHostCertificates: boolean;
}

export function buildEnvironment(options: BuildEnvironmentOptions): Readonly<Record<string, string>> {
  const env: Record<string, string> = {
    DEBIAN_FRONTEND: "noninteractive",
    npm_config_update_notifier: "false",
    npm_config_fund: "false",
    npm_config_audit: "false",
  };
  for (const name of CARRIED) {
    const value = options.hostEnv[name];
    // A proxy cannot be used without its password; a registry that is read can.
    if (value !== undefined && value !== "") env[name] = /_proxy$/i.test(name) ? value : withoutCredentials(value);
  }
  for (const [name, value] of Object.entries(options.pip ?? {}))
    env[name] = name === "PIP_PROXY" ? value : value.split(/\s+/).map(withoutCredentials).join(" ");
  // uv does not read pip's configuration; where pip has an index of its own, the public one may be out of reach.
  if (env.PIP_INDEX_URL !== undefined && !options.hostEnv.UV_INDEX_URL) env.UV_DEFAULT_INDEX ??= env.PIP_INDEX_URL;
  if (options.npmRegistry !== undefined) env.npm_config_registry = withoutCredentials(options.npmRegistry);
  if (options.hasHostCertificates) for (const name of PYTHON_VARIABLES) env[name] = SYSTEM_BUNDLE;
  return env;
}

/** A build step runs anything that a package brings; it must not learn the password of a registry. */
function withoutCredentials(value: string): string {
  return value.replace(/^([a-z+]+:\/\/)[^/@]*@/, "$1");
}
