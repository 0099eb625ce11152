// ./lydian run examples/failures.ts
// What happens when work fails: retries with back-off, timeouts, cancellation, and inputs that must not be retried.

import { setTimeout as sleep } from "node:timers/promises";
import { App, currentInput, FunctionTimeoutError, NonRetriableError, Retries } from "lydian";

export const app = new App("failures");

/** Fails twice, then succeeds: the caller only sees the success. */
export const flaky = app.function({ retries: new Retries({ maxRetries: 3, initialDelay: "100ms" }) }, async (name: string) => {
  const attempt = currentInput()?.attempt ?? 1;
  if (attempt < 3) throw new Error(`attempt ${attempt} did not work`);
  return `${name} worked at attempt ${attempt}`;
});

/** Bad input stays bad: say so, and no attempt is wasted. */
export const strict = app.function({ retries: 5 }, async (age: number) => {
  if (age < 0) throw new NonRetriableError(`age must not be negative, got ${age}`);
  return `attempt ${currentInput()?.attempt ?? 1}: ${age} is fine`;
});

/** Every input has a limit; the signal lets the handler clean up. */
export const slow = app.function({ timeout: "1s" }, async () => {
  await sleep(60_000, undefined, { signal: currentInput()?.signal });
});

app.localEntrypoint(async () => {
  console.log(await flaky.remote("upload"));

  for (const result of await strict.map([30, -1], { returnExceptions: true })) {
    console.log(result instanceof Error ? `refused: ${result.message}` : result);
  }

  try {
    await slow.remote();
  } catch (error) {
    console.log("timed out:", error instanceof FunctionTimeoutError);
  }

  const call = await slow.spawn();
  await call.cancel();
  console.log(
    "cancelled:",
    await call.get().then(
      () => "no",
      () => "yes",
    ),
  );
});
