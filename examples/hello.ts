// ./lydian run examples/hello.ts --count 20
import { App, RemoteError } from "lydian";
import { z } from "zod";

export const app = new App("hello");

/** One call, one container: it starts from nothing and stays warm for the next. */
export const square = app.function(async (x: number) => {
  console.log(`squaring ${x}`);
  return x * x;
});

/** A generator streams: the caller sees each value when it is yielded. */
export const countdown = app.function(async function* (from: number) {
  for (let left = from; left > 0; left--) yield { left, at: new Date() };
});

/** What is thrown in the container arrives as the same class, with the line of this file. */
export const lookUp = app.function(async (id: bigint): Promise<string> => {
  throw new RangeError(`no such id: ${id}`, { cause: new TypeError("the table is empty") });
});

app.localEntrypoint(
  { args: z.object({ count: z.number().int().min(1).default(10).describe("how many numbers to square") }) },
  async ({ count }) => {
    console.log("one:", await square.remote(7));

    let total = 0;
    for await (const y of square.map(Array.from({ length: count }, (_, i) => i))) total += y;
    console.log("sum of squares:", total);

    for await (const { left } of countdown.remoteGen(3)) console.log("T minus", left);

    try {
      await lookUp.remote(42n);
    } catch (error) {
      console.log("failed as it should:", error instanceof RangeError || error instanceof RemoteError ? error.message : error);
    }

    const call = await square.spawn(12);
    console.log("spawned", call.id.slice(0, 3), "->", await call.get({ timeout: "30s" }));
  },
);
