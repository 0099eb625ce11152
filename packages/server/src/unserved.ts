// What to say of an operation that this server does not have: clients show the text to whoever used the feature.

const MEMORY_SNAPSHOTS = "memory snapshots of sandboxes (those of files keep what is on disk)";

/** Beginnings of operations' names → what they are for. */
const FEATURES: readonly (readonly [prefix: string, what: string])[] = [
  ["SharedVolume", "network file systems"],
  ["Volume", "volumes"],
  ["Dict", "dicts"],
  ["Queue", "queues"],
  ["SandboxSnapshotFs", "the older way to snapshots of files (unset MODAL_USE_LEGACY_FILESYSTEM_SNAPSHOT for the usual one)"],
  ["SandboxSnapshot", MEMORY_SNAPSHOTS],
  ["SandboxRestore", MEMORY_SNAPSHOTS],
  ["TaskSnapshotMemory", MEMORY_SNAPSHOTS],
  ["PersistentSandbox", "persistent sandboxes"],
  ["Sandbox", "this operation of sandboxes"],
  ["TaskGetCommandRouterAccess", "commands in running containers"],
  ["ContainerExec", "commands in running containers"],
  ["Proxy", "proxies"],
  ["TokenFlow", "logging in with a browser (`lydian token create` makes a token for `modal token set`)"],
  ["Flash", "HTTP servers"],
  ["Workspace", "management of workspaces"],
];

/** A sentence, with the name of the operation for those who look further. `path` is e.g. "/modal.client.ModalClient/VolumeList". */
export function unservedText(path: string): string {
  const operation = path.slice(path.lastIndexOf("/") + 1);
  const what = FEATURES.find(([prefix]) => operation.startsWith(prefix))?.[1];
  return what === undefined ? `${path} is not served by this server.` : `This server does not offer ${what} yet (${operation}).`;
}
