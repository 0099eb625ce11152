/** Milliseconds of each of `times` sequential runs, after `warmUp` runs that do not count. */
export async function sequential(times: number, warmUp: number, run: (i: number) => Promise<unknown>): Promise<number[]> {
  for (let i = 0; i < warmUp; i++) await run(i);
  const taken: number[] = [];
  for (let i = 0; i < times; i++) {
    const start = performance.now();
    await run(warmUp + i);
    taken.push(performance.now() - start);
  }
  return taken;
}

export function percentile(values: readonly number[], p: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor((p / 100) * sorted.length))] ?? Number.NaN;
}

export const summary = (values: readonly number[]): string =>
  `p50 ${percentile(values, 50).toFixed(1)} ms, p99 ${percentile(values, 99).toFixed(1)} ms, min ${Math.min(...values).toFixed(1)} ms (n=${values.length})`;

/** Units per second. */
export async function rate(units: number, run: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await run();
  return (units / (performance.now() - start)) * 1000;
}
