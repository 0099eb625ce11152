import type { CallContext } from "@lydian/protocol";
import type { Caller } from "../identity/caller.ts";

/** The context of a call by a client of a workspace. */
export function testContext(of: {
  workspaceId: string;
  transport?: "tcp" | "unix";
  headers?: Record<string, string>;
  signal?: AbortSignal;
}): CallContext<Caller> {
  const never = new AbortController().signal;
  return {
    caller: { kind: "client", workspaceId: of.workspaceId, tokenId: "ak-1" },
    signal: of.signal ?? never,
    draining: never,
    headers: of.headers ?? {},
    peer: { transport: of.transport ?? "tcp" },
    method: "/test",
  };
}
