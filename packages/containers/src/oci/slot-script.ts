// What makes a slot ready ahead of a start, and what it does then. Everything lives in namespaces that only the slot's process is in, so
// that all of it (mounts, loop device, network, link on the host's side) vanishes with the process, however that ends.
//
// The program lydian-host makes it ready in a tenth of the time that a shell takes, which has to start a program for each step. The shell is
// for machines where that has not been compiled.

export interface SlotCommandOptions {
  /** Undefined: it has not been built. */
  readonly tool: string | undefined;
  /** A file system to copy for the writable layer. Without one it is a directory. */
  readonly template?: string;
  /** Name of the link on the host's side, at most 15 bytes. */
  readonly link: string;
  readonly address: string;
  readonly gateway: string;
  /** What a runtime refuses to see: a mount to take away, or, where that is not allowed, to put an empty one over. */
  readonly hideCgroups?: { readonly umount: string } | { readonly cover: string };
  /** Join these before the start. */
  readonly procsFiles: readonly string[];
}

export const quote = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;

const WAIT = `echo ready
IFS= read -r line
eval "$line"
`;

/**
 * In the working directory are `W` (the writable layer; a capital, because layers are numbered in small letters) and `rootfs`.
 * It prints "ready" and waits for one line, which it executes. The host's network is that of the launcher, which starts it.
 */
export function slotCommand(o: SlotCommandOptions): readonly string[] {
  if (o.tool === undefined) return ["unshare", "--mount", "--net", "--propagation", "slave", "sh", "-c", slotScript(o)];
  const hidden = o.hideCgroups === undefined ? "" : "umount" in o.hideCgroups ? `-${o.hideCgroups.umount}` : `+${o.hideCgroups.cover}`;
  const made = [o.link, o.address, o.gateway, o.template ?? "", hidden, ...o.procsFiles];
  return [o.tool, "slot", ...made, "--", "sh", "-euc", WAIT];
}

/** In the namespaces that `unshare` has made. */
function slotScript(o: SlotCommandOptions): string {
  return `set -eu
umask 022
host=/proc/$PPID/ns/net
${o.hideCgroups === undefined ? "" : hide(o.hideCgroups)}
${o.template === undefined ? "" : mountDisk(o.template)}
mkdir W/u W/w W/m
echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6 2>/dev/null || :
nsenter --net="$host" ip -batch - <<END
link add ${o.link} type veth peer name eth0 netns $$
address add ${o.gateway}/32 dev ${o.link}
link set ${o.link} up
route add ${o.address}/32 dev ${o.link} src ${o.gateway}
END
ip -batch - <<END
link set lo up
address add ${o.address}/32 dev eth0
link set eth0 up
route add ${o.gateway}/32 dev eth0 scope link
route add default via ${o.gateway}
END
${o.procsFiles.map((file) => `echo $$ >${quote(file)}`).join("\n")}
${WAIT}`;
}

/** The copy is sparse and a few hundred kilobytes. It is unlinked at once: the mount keeps it, and nothing is left when that goes. */
function mountDisk(template: string): string {
  return `cp --sparse=always --reflink=auto ${quote(template)} disk && mount -t ext4 -o loop,noatime,nodev disk W && rm disk`;
}

function hide(what: { readonly umount: string } | { readonly cover: string }): string {
  return "umount" in what ? `umount ${quote(what.umount)}` : `mount -t tmpfs none ${quote(what.cover)}`;
}

export interface StartLineOptions {
  /** Undefined: it has not been built. */
  readonly tool: string | undefined;
  readonly layers: number;
  readonly withoutNetwork: boolean;
  readonly volatile: boolean;
  /** Without root, what overlays note on directories has other names. */
  readonly rootless: boolean;
  /** Leaves a process behind that holds the mounts until it is killed; its pid goes to the file `holder`. */
  readonly keep: boolean;
  /** The shell stays and, when the runtime has ended, writes its code into this file. Absent: the shell becomes the runtime. */
  readonly exitFile?: string;
  readonly runtime: readonly string[];
  /** A process in whose network namespace the runtime is started. Absent: the slot's own. */
  readonly networkOf?: number;
  /** What mounts the root directory, in place of the overlay at `rootfs`. */
  readonly mount?: string;
}

/** Exit code of the shell when it could not get as far as the runtime; the reason is in the file `error`. */
export const PREPARE_FAILED = 125;

/** Layers are the links 0, 1, 2 … in the working directory, topmost first. */
export function overlayOptions(o: { readonly layers: number; readonly rootless: boolean; readonly volatile: boolean }): readonly string[] {
  const lower = Array.from({ length: o.layers }, (_, index) => index.toString(36)).join(":");
  return [
    `lowerdir=${lower}`,
    // A layer is used again below others: it must be complete in itself. With userxattr it is, and may not be asked to be.
    ...(o.rootless ? ["userxattr"] : ["redirect_dir=off", "metacopy=off"]),
    "index=off",
    ...(o.volatile ? ["volatile"] : []),
  ];
}

/** The line that turns a ready slot, with the links of the layers in its directory, into a container. */
export function startLine(o: StartLineOptions): string {
  const options = [...overlayOptions(o), "upperdir=W/u", "workdir=W/w"].join(",");
  const usual = o.tool === undefined ? `mount -t overlay lydian -o nodev,${options} rootfs` : `${quote(o.tool)} rootfs ${options}`;
  const steps = [...(o.withoutNetwork ? ["ip link del eth0"] : []), o.mount ?? usual];
  // In a subshell: as a child of the runtime it would be waited for.
  const holder = o.keep ? "(sleep 2147483647 </dev/null >/dev/null 2>&1 & echo $! >holder); " : "";
  const inNetwork = o.networkOf === undefined ? [] : ["nsenter", `--net=/proc/${o.networkOf}/ns/net`, "--"];
  const runtime = `${[...inNetwork, ...o.runtime].map(quote).join(" ")} </dev/null`;
  const run = o.exitFile === undefined ? `exec ${runtime}` : tell(runtime, quote(o.exitFile));
  return `{ ${steps.join(" && ")}; } 2>error || exit ${PREPARE_FAILED}; ${holder}${run}\n`;
}

/** The file appears whole. */
function tell(command: string, file: string): string {
  return `code=0; ${command} || code=$?; echo $code >${file}.new && mv ${file}.new ${file}; exit $code`;
}
