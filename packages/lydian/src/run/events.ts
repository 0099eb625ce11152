import type { ContainerStarted, PoolState } from "@lydian/protocol";

/** What happens while an app is started and runs. */
export type RunEvent =
  | { readonly type: "app-created"; readonly appId: string }
  | { readonly type: "image-log"; readonly imageId: string; readonly text: string }
  | { readonly type: "image-ready"; readonly imageId: string; readonly cached: boolean; readonly ms: number }
  | { readonly type: "published" }
  /** fd 1 stdout, 2 stderr, 3 words of the server. */
  | { readonly type: "log"; readonly fd: 1 | 2 | 3; readonly text: string; readonly taskId: string; readonly functionId: string }
  | { readonly type: "pools"; readonly pools: readonly PoolState[]; readonly started: readonly ContainerStarted[] };
