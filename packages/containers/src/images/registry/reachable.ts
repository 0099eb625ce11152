import { DOCKER_HUB } from "./reference.ts";

/** The address of a registry. Plain HTTP only on this machine itself. */
export function registryUrl(registry: string): string {
  if (registry === DOCKER_HUB) return "https://registry-1.docker.io";
  const host = registry.replace(/:\d+$/, "");
  const local = host === "localhost" || host === "[::1]" || /^127\.\d+\.\d+\.\d+$/.test(host);
  return `${local ? "http" : "https"}://${registry}`;
}

/** Whether a registry answers at all within `timeoutMs`; that it wants a login is an answer too. */
export async function isReachable(url: string, timeoutMs: number): Promise<boolean> {
  try {
    const response = await fetch(`${url}/v2/`, { signal: AbortSignal.timeout(timeoutMs), redirect: "manual" });
    await response.body?.cancel();
    return response.status === 200 || response.status === 401;
  } catch {
    return false;
  }
}
