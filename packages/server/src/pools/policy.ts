// How many containers a pool wants: a pure function of what it sees.

export interface PoolSettings {
  /** Inputs that one container works on at once. */
  readonly slots: number;
  readonly minContainers: number;
  readonly maxContainers: number;
  /** Containers ready beyond the need of the moment, while there is any need. */
  readonly bufferContainers: number;
  /** How long a container may be idle. */
  readonly scaledownWindowMs: number;
}

export interface PoolView {
  /** Inputs that wait for a container. */
  readonly backlog: number;
  readonly running: number;
  /** Containers that exist and will take inputs: starting and ready ones. */
  readonly containers: number;
}

/** The number of containers that should exist now, if none had to go. */
export function wantedContainers({ backlog, running }: PoolView, settings: PoolSettings): number {
  const demand = backlog + running;
  const needed = Math.ceil(demand / settings.slots);
  const buffered = demand > 0 ? needed + settings.bufferContainers : needed;
  return Math.min(settings.maxContainers, Math.max(settings.minContainers, buffered));
}

/** Containers to start now. */
export function toStart(view: PoolView, settings: PoolSettings): number {
  return Math.max(0, wantedContainers(view, settings) - view.containers);
}

/** Whether a container that has been idle for `idleMs` should go. */
export function mayLeave(view: PoolView, settings: PoolSettings, idleMs: number): boolean {
  return idleMs >= settings.scaledownWindowMs && view.containers > wantedContainers(view, settings);
}
