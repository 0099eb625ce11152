// Where processes are started: a container with an agent in it. Sandboxes and pools provide it, so that this folder knows neither.
import type { Agent } from "@lydian/containers";

export interface ExecHome {
  readonly taskId: string;
  readonly workspaceId: string;
  /** Exists as long as the home; holds what does not fit into memory. */
  readonly dir: string;
  /** Of its processes, before what each of them is given. */
  readonly env: Readonly<Record<string, string>>;
  readonly workdir: string;
  /** Of processes without a timeout of their own. Absent: as long as the container. */
  readonly longestMs?: number;
  /** Its processes live on without the server, and their files in `dir` are found by the next one. Absent: no. */
  readonly outlives?: boolean;
  /** Resolves when processes can be started. Throws `failed_precondition` when the container has ended. */
  agent(): Promise<Agent>;
  /** Until it is disposed the container counts as used. */
  use(): Disposable;
}
