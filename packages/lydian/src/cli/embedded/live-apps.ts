import { AppState, connect, ModalClient } from "@lydian/protocol";

const GONE = new Set([AppState.STOPPED, AppState.STOPPING, AppState.UNSPECIFIED]);

/** Whether a server has apps that its end would hurt. A server that does not answer has none. */
export async function hasLiveApps(serverUrl: string, token: { readonly id: string; readonly secret: string }): Promise<boolean> {
  const headers = { "x-modal-token-id": token.id, "x-modal-token-secret": token.secret };
  const connection = connect({ url: serverUrl, headers });
  try {
    const modal = connection.service(ModalClient);
    const options = { timeoutMs: 5000, retry: false };
    const { items } = await modal.environmentList({}, options);
    const lists = await Promise.all(items.map(({ name }) => modal.appList({ environmentName: name }, options)));
    return lists.some(({ apps }) => apps.some((app) => !GONE.has(app.state)));
  } catch {
    return false;
  } finally {
    await connection.close();
  }
}
