// Who makes a request. Every handler gets one, and nothing else decides what a request may see.

/** A program of a user's, known by its token. */
export interface ClientCaller {
  readonly kind: "client";
  readonly workspaceId: string;
  readonly tokenId: string;
}

/** A container of ours, known by the socket it calls on. It acts only for its own function. */
export interface ContainerCaller {
  readonly kind: "container";
  readonly taskId: string;
  readonly workspaceId: string;
  readonly environmentId: string;
  /** Empty in a container that waits for a function. */
  readonly appId: string;
  /** Empty in a container that waits for a function. */
  readonly functionId: string;
}

/** A program that was given the right to one container's processes and files. */
export interface RouterCaller {
  readonly kind: "router";
  readonly taskId: string;
  readonly workspaceId: string;
  /** The container on whose socket it calls; undefined for a program elsewhere. */
  readonly container?: ContainerCaller;
}

export type Caller = ClientCaller | ContainerCaller | RouterCaller;
