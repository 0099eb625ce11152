// How many containers a function should have. Pure: the pool says what is, this says what should be.
//
// Demand is inputs; a container serves `slots` at once. While nothing is known of how long an input takes, every input is given
// its slot. Once it is known, containers are added only for what those that exist would not have done by the time that a new one
// is up: a hundred inputs of a millisecond need one container, a hundred of a minute need as many as are allowed.

export interface PoolBounds {
  readonly minContainers: number;
  readonly maxContainers: number;
  /** Ready slots kept beyond demand, in containers, while there is demand. */
  readonly bufferContainers: number;
  readonly scaledownWindowMs: number;
}

export interface PoolSnapshot {
  /** Inputs that no container has. */
  readonly backlog: number;
  /** Inputs in containers. */
  readonly running: number;
  /** Inputs that a container serves at once; at least 1. */
  readonly slots: number;
  /** Containers on their way. */
  readonly starting: number;
  /** Containers that take inputs, busy or idle. */
  readonly ready: number;
  /** Of the ready ones, those without input, longest idle first: since when. */
  readonly idleSince: readonly number[];
  /** How long inputs take lately; undefined when unknown. */
  readonly meanInputMs: number | undefined;
  /** How long the input at the head of the queue has waited; 0 when none waits. */
  readonly oldestWaitMs: number;
  /** How long a start takes. */
  readonly startMs: number;
  readonly now: number;
}

export interface ScalingDecision {
  /** Containers to start now. */
  readonly start: number;
  /** Idle containers to stop now, longest idle first. */
  readonly stop: number;
  /** When to decide again though nothing happens; undefined when never. */
  readonly againAt: number | undefined;
}

/** What waits this many starts long needs more containers, whatever the averages say. */
const PATIENCE = 3;
const MIN_HORIZON_MS = 250;

export function decideScaling(pool: PoolSnapshot, bounds: PoolBounds): ScalingDecision {
  const existing = pool.starting + pool.ready;
  const wanted = wantedContainers(pool, bounds);
  if (wanted > existing) return { start: wanted - existing, stop: 0, againAt: nextLook(pool) };
  const expired = pool.idleSince.filter((since) => since + bounds.scaledownWindowMs <= pool.now).length;
  const stop = Math.min(expired, Math.max(0, existing - wanted));
  const surplus = existing - stop - wanted;
  const nextIdle = surplus > 0 ? pool.idleSince[stop] : undefined;
  const idleAt = nextIdle === undefined ? undefined : Math.max(pool.now + 1, nextIdle + bounds.scaledownWindowMs);
  return { start: 0, stop, againAt: earliest(nextLook(pool), idleAt) };
}

/** Containers that the function should have now, within its bounds. */
export function wantedContainers(pool: PoolSnapshot, bounds: PoolBounds): number {
  const demand = pool.backlog + pool.running;
  const forDemand = Math.ceil(demand / pool.slots);
  const wanted = pool.backlog === 0 ? Math.ceil(pool.running / pool.slots) : Math.min(forDemand, Math.max(1, forWork(pool)));
  const buffer = demand > 0 ? bounds.bufferContainers : 0;
  return Math.min(Math.max(wanted + buffer, bounds.minContainers), bounds.maxContainers);
}

/** Containers that would be done with the backlog within a horizon. */
function forWork(pool: PoolSnapshot): number {
  const { meanInputMs, ready, slots, backlog, running } = pool;
  const all = Math.ceil((backlog + running) / slots);
  if (meanInputMs === undefined || ready === 0) return all;
  const horizon = horizonMs(pool);
  if (pool.oldestWaitMs >= PATIENCE * horizon) return all;
  const drainMs = (backlog * meanInputMs) / (ready * slots);
  // What exists is enough: it counts as wanted, so that nothing is stopped under it either.
  if (drainMs <= horizon) return ready + pool.starting;
  return Math.ceil(running / slots) + Math.ceil((backlog * meanInputMs) / (slots * horizon));
}

function horizonMs(pool: PoolSnapshot): number {
  return Math.max(MIN_HORIZON_MS, pool.startMs);
}

/** A backlog is looked at again: it may turn out to move slower than thought. */
function nextLook(pool: PoolSnapshot): number | undefined {
  return pool.backlog > 0 && pool.ready > 0 ? pool.now + horizonMs(pool) : undefined;
}

function earliest(a: number | undefined, b: number | undefined): number | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return Math.min(a, b);
}

/** After how long a start is tried again; undefined when the attempts are used up and what waits must be told. `failures` are those in a row. */
export function startRetryDelayMs(failures: number): number | undefined {
  return failures >= MAX_START_ATTEMPTS ? undefined : 200 * 3 ** (failures - 1);
}

export const MAX_START_ATTEMPTS = 3;
