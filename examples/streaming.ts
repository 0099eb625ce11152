// ./lydian run examples/streaming.ts --limit 500
// A source without an end, many inputs in one container, results as they come, and functions that call functions.
import { App } from "lydian";
import { z } from "zod";

export const app = new App("streaming");

/** I/O-bound work shares a container: up to 100 inputs at once, at most two containers. */
export const enrich = app.function({ concurrent: { maxInputs: 100 }, maxContainers: 2 }, async (id: number) => {
  await new Promise((resolve) => setTimeout(resolve, 5));
  return { id, parity: id % 2 === 0 ? "even" : "odd" };
});

/** Calls another function from inside its container. */
export const summarize = app.function(async (ids: number[]) => {
  const records = await enrich.map(ids);
  return records.filter((record) => record.parity === "even").length;
});

/** Never ends. The map takes from it only as fast as the containers answer. */
async function* events() {
  for (let id = 0; ; id++) yield id;
}

app.localEntrypoint({ args: z.object({ limit: z.number().int().positive().default(200) }) }, async ({ limit }) => {
  let seen = 0;
  for await (const record of enrich.map(events(), { ordered: false })) {
    if (++seen === limit) break;
    if (seen === 1) console.log("first result has parity:", ["even", "odd"].includes(record.parity));
  }
  console.log("took", seen, "results of an endless stream");
  console.log("even among 10:", await summarize.remote([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]));
});
