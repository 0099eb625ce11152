// RUN --mount: what a command sees only while it runs.

export interface RunMount {
  readonly type: "bind" | "cache" | "tmpfs";
  /** Path in the container, as written. */
  readonly target: string;
  /** Path in the build context, or in what `from` names. Default its root. */
  readonly source: string;
  readonly from?: string;
  readonly writable: boolean;
}

const ALIASES: Readonly<Record<string, string>> = { dst: "target", destination: "target", src: "source", rw: "readwrite", ro: "readonly" };
/** Options that decide nothing here: a cache is an empty directory, for one command. */
const WITHOUT_MEANING = new Set(["id", "sharing", "uid", "gid", "mode", "size", "required"]);

/** Reads the value of one `--mount=`. Throws RangeError with the rule that is broken. */
export function parseMount(text: string): RunMount {
  const options: Record<string, string> = {};
  for (const part of text.split(",")) {
    const at = part.indexOf("=");
    const given = (at < 0 ? part : part.slice(0, at)).toLowerCase();
    const name = ALIASES[given] ?? given;
    options[name] = at < 0 ? "true" : part.slice(at + 1);
  }
  const { type = "bind", target, source = "/", from, readwrite, readonly, ...rest } = options;
  if (type === "secret" || type === "ssh")
    throw new RangeError(`--mount=type=${type} is not served; secrets of the image reach RUN instructions as variables`);
  if (type !== "bind" && type !== "cache" && type !== "tmpfs")
    throw new RangeError(`--mount has the type "${type}"; bind, cache and tmpfs are served`);
  const unknown = Object.keys(rest).find((name) => !WITHOUT_MEANING.has(name));
  if (unknown !== undefined) throw new RangeError(`--mount has the option "${unknown}", which is not served`);
  if (target === undefined || target === "") throw new RangeError("--mount has no target");
  const writable = type !== "bind" || readwrite === "true" || readonly === "false";
  return { type, target, source, writable, ...(from === undefined ? {} : { from }) };
}
