// Files in containers, as clients before 1.6 ask for them.
import { AgentError } from "@lydian/containers";
import { SystemErrorCode as Code, type Handlers, LydianError, type ModalClient } from "@lydian/protocol";
import type { Caller } from "../identity/caller.ts";
import type { ExecHome } from "./exec-home.ts";
import type { FileCommands } from "./file-commands.ts";

export interface FilesRpcDependencies {
  readonly commands: FileCommands;
  /** Throws `not_found`. */
  readonly home: (taskId: string) => ExecHome;
}

const MAX_HOLD_SECONDS = 60;

export function createFilesRpc({ commands, home }: FilesRpcDependencies): Partial<Handlers<typeof ModalClient, Caller>> {
  return {
    async containerFilesystemExec({ taskId, fileExecRequestOneof: request }, { caller, headers }) {
      const found = home(taskId);
      if (found.workspaceId !== caller.workspaceId) throw new LydianError("not_found", `There is no container "${taskId}".`);
      return commands.start(found, request, headers["x-idempotency-key"] ?? "");
    },

    async *containerFilesystemExecGetOutput({ execId, timeout }, { caller, signal, draining }) {
      const holdMs = Math.min(Math.max(0, timeout), MAX_HOLD_SECONDS) * 1000;
      let index = 0n;
      for await (const next of commands.output(execId, caller.workspaceId, holdMs, signal, draining)) {
        index += 1n;
        if (next instanceof Uint8Array) yield { output: [next], batchIndex: index };
        else if (next === "done") yield { eof: true, batchIndex: index };
        else yield { error: errorOf(next.error), batchIndex: index };
      }
    },
  };
}

const CODES: Readonly<Record<string, Code>> = {
  EPERM: Code.PERM,
  EROFS: Code.PERM,
  ENOENT: Code.NOENT,
  EIO: Code.IO,
  ENXIO: Code.NXIO,
  ENOMEM: Code.NOMEM,
  EACCES: Code.ACCES,
  EEXIST: Code.EXIST,
  ENOTDIR: Code.NOTDIR,
  EISDIR: Code.ISDIR,
  EINVAL: Code.INVAL,
  EMFILE: Code.MFILE,
  EFBIG: Code.FBIG,
  ENOSPC: Code.NOSPC,
};

function errorOf(error: unknown) {
  const errorMessage = error instanceof Error ? error.message : String(error);
  if (!(error instanceof AgentError)) return { errorCode: Code.UNSPECIFIED, errorMessage };
  // In the words of the C library, which programs look for.
  const said = /^(.*?): ([a-z])(.*) \((E[A-Z0-9]+)\)\.$/s.exec(errorMessage);
  const [, what = "", initial = "", rest = "", name = ""] = said ?? [];
  return {
    errorCode: CODES[error.code] ?? Code.UNSPECIFIED,
    errorMessage: said === null ? errorMessage : `${initial.toUpperCase()}${rest} (${name}): ${what}`,
  };
}
