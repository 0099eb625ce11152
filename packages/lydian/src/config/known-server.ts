// The server that a plain program means, as commands find theirs; only that a program starts none.
import { AuthError, InvalidError } from "../errors.ts";
import { defaultDataDir } from "./home.ts";
import { readLocalToken } from "./local-token.ts";
import { isAlive, readServerRecord } from "./server-record.ts";
import { configuredTarget, type Target } from "./target.ts";
import { UsageError } from "./usage-error.ts";

/** By the environment's variables, else the configuration, else the embedded server that runs. Throws when there is none of them. */
export function knownServer(): Omit<Target, "source"> {
  const { server, environment } = configured();
  if (server) return { serverUrl: server.serverUrl, token: server.token, environment };
  const dataDir = defaultDataDir();
  const record = readServerRecord(dataDir);
  if (record && !record.leaving && isAlive(record.pid)) return { serverUrl: record.socketUrl, token: readLocalToken(dataDir), environment };
  throw new InvalidError("No server is known.", {
    hint: "Set MODAL_SERVER_URL, MODAL_TOKEN_ID and MODAL_TOKEN_SECRET (`lydian env` prints them), or start the program with `lydian run FILE`.",
  });
}

function configured(): ReturnType<typeof configuredTarget> {
  try {
    return configuredTarget(undefined);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    throw new AuthError(error.message, { cause: error, ...(error.hint === undefined ? {} : { hint: error.hint }) });
  }
}
