import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { Spool, type SpoolOptions } from "./spool.ts";

const dir = await mkdtemp(join(tmpdir(), "lydian-spool-"));
afterAll(() => rm(dir, { recursive: true, force: true }));
let count = 0;

const aSpool = (options: Partial<SpoolOptions> = {}): Spool =>
  new Spool({ dir, name: `s${count++}`, segmentBytes: 8, keptBytes: 64, ...options });

async function all(chunks: AsyncIterable<{ data: Uint8Array }>): Promise<string> {
  let text = "";
  for await (const { data } of chunks) text += Buffer.from(data).toString();
  return text;
}

describe("a spool", () => {
  it("gives every reader all of it, from any offset, at any time, while it fits", async () => {
    const pieces = fc.array(fc.string({ minLength: 1, maxLength: 12 }), { maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(pieces, fc.nat(80), async (parts, from) => {
        const spool = aSpool({ keptBytes: 4_096 });
        const early = all(spool.from(0));
        for (const part of parts) await spool.append(Buffer.from(part));
        spool.end();
        const whole = Buffer.from(parts.join(""));
        const offset = Math.min(from, whole.length);
        expect(await early).toBe(whole.toString());
        expect(await all(spool.from(offset))).toBe(whole.subarray(offset).toString());
        await spool.remove();
      }),
    );
    expect(await readdir(dir)).toEqual([]);
  });

  it("drops the oldest when nobody reads, and says where what is left begins", async () => {
    const spool = aSpool();
    await spool.append(Buffer.from("0123456789".repeat(20)));
    spool.end();
    const first = await spool.from(0).next();
    expect(first.value?.offset).toBe(136);
    expect(await all(spool.from(0))).toBe("0123456789".repeat(20).slice(136));
    await spool.remove();
  });

  it("is gone on with from its files, by whoever has them", async () => {
    const pieces = fc.array(fc.string({ minLength: 1, maxLength: 12 }), { maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(pieces, pieces, fc.nat(80), async (before, after, from) => {
        const name = `restored${count++}`;
        const first = aSpool({ name, keptBytes: 4_096 });
        for (const part of before) {
          await first.append(Buffer.from(part));
          await first.flush();
        }
        // It was never confirmed: who has it sends it again.
        await first.append(Buffer.from("lost"));
        const kept = Buffer.byteLength(before.join(""));
        const options = { dir, name, segmentBytes: 8, keptBytes: 4_096 };
        const second = await Spool.restore(options, { ended: false });
        // A segment that "lost" has filled is in a file.
        const length = second.length;
        expect(length).toBeGreaterThanOrEqual(kept);
        expect(length).toBeLessThanOrEqual(kept + 4);
        const whole = Buffer.from(`${before.join("")}lost`).subarray(0, length);
        for (const part of after) await second.append(Buffer.from(part));
        await second.flush();
        second.end();
        const everything = Buffer.concat([whole, Buffer.from(after.join(""))]);
        const offset = Math.min(from, everything.length);
        expect(await all(second.from(offset))).toBe(everything.subarray(offset).toString());
        const third = await Spool.restore(options, { ended: true });
        expect(await all(third.from(offset))).toBe(everything.subarray(offset).toString());
        await third.remove();
      }),
    );
    expect(await readdir(dir)).toEqual([]);
  });

  it("lets a reader set the pace: nothing is dropped before it has seen it", async () => {
    const spool = aSpool();
    const reader = spool.from(0);
    const text = "0123456789".repeat(20);
    let appended = false;
    const append = spool.append(Buffer.from(text)).then(() => {
      appended = true;
      spool.end();
    });
    let read = "";
    for await (const { data } of reader) {
      if (read === "") expect(appended).toBe(false);
      read += Buffer.from(data).toString();
    }
    await append;
    expect(read).toBe(text);
    await spool.remove();
  });

  it("goes on when a slow reader leaves", async () => {
    const spool = aSpool();
    const reader = spool.from(0);
    const append = spool.append(Buffer.alloc(200, "x"));
    await reader.next();
    await reader.return(undefined);
    await append;
    expect(spool.length).toBe(200);
    await spool.remove();
  });

  it("ends readers when it is removed or they give up, and refuses offsets that cannot come any more", async () => {
    const spool = aSpool();
    const waiting = all(spool.from(0));
    const controller = new AbortController();
    const leaving = all(spool.from(0, controller.signal));
    controller.abort();
    expect(await leaving).toBe("");
    await spool.append(Buffer.from("abc"));
    spool.end();
    expect(await waiting).toBe("abc");
    await expect(all(spool.from(4))).rejects.toMatchObject({ code: "out_of_range" });
  });
});
