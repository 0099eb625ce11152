import type { Check } from "@lydian/containers";
import { connect, Lydian, LydianError } from "@lydian/protocol";
import { defaultDataDir } from "../../config/home.ts";
import { readLocalToken } from "../../config/local-token.ts";
import { findRunningServer } from "../../config/server-record.ts";
import { configuredTarget, type Target } from "../../config/target.ts";

const TIMEOUT_MS = 5000;
const BASE = { name: "server", why: "Every command but this one talks to it." };

/** Whether the server that commands mean answers and takes the token. The embedded one is not started for this. */
export async function checkServer(): Promise<Check> {
  try {
    const { server } = configuredTarget(undefined);
    if (server) return await ask(server);
    const dataDir = defaultDataDir();
    const running = await findRunningServer(dataDir);
    if (!running) return { ...BASE, status: "ok", found: "embedded, not running now: lydian run starts it", fix: "" };
    return await ask({ serverUrl: running.socketUrl, token: readLocalToken(dataDir), source: "embedded" });
  } catch (error) {
    const { message, hint } = error as Error & { hint?: string };
    return { ...BASE, status: "fail", found: message, fix: hint ?? "" };
  }
}

async function ask({ serverUrl, token, source }: Omit<Target, "environment">): Promise<Check> {
  const headers = { "x-modal-token-id": token.id, "x-modal-token-secret": token.secret };
  const connection = connect({ url: serverUrl, headers });
  try {
    const info = await connection.service(Lydian).serverInfo({}, { timeoutMs: TIMEOUT_MS, retry: false });
    const runtime = info.containerRuntime || info.containerHost;
    const apart = info.isolations.length === 0 ? "not isolated" : `isolated by ${info.isolations.join(", ")}`;
    return {
      ...BASE,
      status: "ok",
      found: `${serverUrl} (${source}): version ${info.version}, containers by ${runtime}, ${apart}`,
      fix: "",
    };
  } catch (error) {
    const fix =
      LydianError.is(error) && error.hint ? error.hint : "lydian config show says which server is meant; env | grep -E 'MODAL|LYDIAN' too.";
    return { ...BASE, status: "fail", found: `${serverUrl} (${source}): ${(error as Error).message}`, fix };
  } finally {
    await connection.close();
  }
}
