// Who calls: a token's owner on any listener, a container on the socket that is its own.
import {
  Bulk,
  type Headers,
  LydianError,
  ModalClient,
  type Peer,
  PROTOCOL_VERSION,
  PROTOCOL_VERSION_HEADER,
  Processes,
  Runtime,
  TaskCommandRouter,
} from "@lydian/protocol";
import type { Caller, ContainerCaller, RouterCaller } from "./caller.ts";
import type { Tokens } from "./tokens.ts";

/** What user code in a container may ask for: its own work, calls of functions of its environment, and sandboxes (see `InFunctions`). */
const FOR_CONTAINERS: readonly (keyof typeof ModalClient.method)[] = [
  ...(["containerHello", "containerHeartbeat", "functionGetInputs", "functionPutOutputs", "taskResult", "containerStop"] as const),
  "functionGetDynamicConcurrency",
  ...(["functionCallPutDataOut", "functionCallGetDataOut", "blobCreate", "blobGet"] as const),
  ...(["tunnelStart", "tunnelStop"] as const),
  ...(["functionMap", "functionPutInputs", "functionFinishInputs", "functionGetOutputs"] as const),
  ...([
    "functionCallCancel",
    "functionCallFromId",
    "functionCallGetInfo",
    "functionGet",
    "functionGetById",
    "functionGetCurrentStats",
    "functionBindParams",
    "functionUpdateSchedulingParams",
    "functionGetSchedulingParams",
    "classGet",
  ] as const),
  ...(["sandboxCreate", "sandboxWait", "sandboxTerminate", "sandboxGetTaskId", "sandboxList", "sandboxGetFromName"] as const),
  ...(["sandboxTagsGet", "sandboxTagsSet", "sandboxSetName", "sandboxGetLogs", "sandboxStdinWrite"] as const),
  ...(["sandboxCreateV2", "sandboxWaitV2", "sandboxTerminateV2", "sandboxGetTaskIdV2", "sandboxListV2"] as const),
  ...(["sandboxGetFromNameV2", "sandboxTagsGetV2", "sandboxTagsSetV2", "sandboxGetCommandRouterAccess"] as const),
  ...(["taskGetCommandRouterAccess", "sandboxContainerCreateV2", "authTokenGet"] as const),
  ...(["appGetOrCreate", "imageGetOrCreate", "imageJoinStreaming", "imageFromId", "secretGetOrCreate"] as const),
  ...(["environmentGetOrCreate", "mountGetOrCreate", "mountPutFile", "mountBatchedCheckExistence"] as const),
];

const ALLOWED = new Set([
  ...FOR_CONTAINERS.map((name) => `/${ModalClient.typeName}/${ModalClient.method[name].name}`),
  ...[Runtime, Bulk].flatMap(({ typeName, methods }) => methods.map(({ name }) => `/${typeName}/${name}`)),
]);

const ROUTERS = [TaskCommandRouter, Processes].map(({ typeName }) => `/${typeName}/`);

const HOW = {
  hint: "Set LYDIAN_TOKEN_ID and LYDIAN_TOKEN_SECRET (`lydian token create NAME` makes a token on the server's machine).",
  officialHint:
    "Set MODAL_TOKEN_ID and MODAL_TOKEN_SECRET (`lydian env` prints them on the server's machine, `lydian token create NAME` makes a new token).",
};

export function createAuthenticate(
  tokens: Tokens,
  callerOf: (taskId: string) => ContainerCaller | undefined,
  /** Who has a token of the command router; throws `unauthenticated`. */
  routerCaller: (authorization: string | undefined) => Omit<RouterCaller, "kind">,
): (headers: Headers, peer: Peer, method: string) => Caller {
  return (headers, peer, method) => {
    checkProtocol(headers[PROTOCOL_VERSION_HEADER]);
    const container = peer.label === undefined ? undefined : callerOf(peer.label);
    if (peer.label !== undefined && !container) throw new LydianError("unauthenticated", "This container has ended.");
    if (ROUTERS.some((router) => method.startsWith(router)))
      return { kind: "router", ...routerCaller(headers.authorization), ...(container && { container }) };
    if (container) return allowed(container, method);
    const id = once(headers["x-modal-token-id"]);
    const secret = once(headers["x-modal-token-secret"]);
    if (id === undefined || secret === undefined) throw new LydianError("unauthenticated", "This call carries no token.", HOW);
    const token = tokens.verify(id, secret);
    if (!token)
      throw new LydianError(
        "unauthenticated",
        `The token ${JSON.stringify(id.slice(0, 40))} is not valid here: it is unknown, revoked, or its secret is wrong.`,
        HOW,
      );
    return { kind: "client", workspaceId: token.workspaceId, tokenId: token.id };
  };
}

/** The official Go client sends its headers twice when it asks for an auth token: HTTP joins the values. */
const once = (value: string | undefined): string | undefined => value?.split(",", 1)[0];

/** Absent in the official clients. */
function checkProtocol(version: string | undefined): void {
  if (version === undefined || version === PROTOCOL_VERSION) return;
  const theirs = JSON.stringify(version.slice(0, 20));
  throw new LydianError(
    "failed_precondition",
    `This client speaks version ${theirs} of the protocol; this server speaks ${PROTOCOL_VERSION}.`,
    {
      hint: "Use the same version of Lydian on both sides: `lydian --version` on each tells which.",
    },
  );
}

function allowed(caller: ContainerCaller, method: string): ContainerCaller {
  if (!ALLOWED.has(method))
    throw new LydianError("permission_denied", `A container may not call ${method.slice(method.lastIndexOf("/") + 1)}.`);
  return caller;
}
