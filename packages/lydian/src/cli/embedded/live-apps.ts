import { AppState, connect, ModalClient } from "@lydian/protocol";

const GONE = new Set([AppState.STOPPED, AppState.STOPPING, AppState.UNSPECIFIED]);

/** Whether a server has apps that its end would hurt. A server that does not answer has none. */
export async function hasLiveApps(serverUrl: string, token: { readonly id: string; readonly secret: string }): Promise<boolean> {
  const headers = { "x-modal-token-id": token.id, "x-modal-token-secret": token.secret };
  const connection = connect({ url: serverUrl, headers });
  try {
    const { apps } = await connection.service(ModalClient).appList({}, { timeoutMs: 5000, retry: false });
    return apps.some((app) => !GONE.has(app.state));
  } catch {
    return false;
  } finally {
    await connection.close();
  }
}
