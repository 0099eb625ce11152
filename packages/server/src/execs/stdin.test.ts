import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type InputSink, Stdin } from "./stdin.ts";

function recorder(): InputSink & { text: string; ended: boolean } {
  const sink = {
    text: "",
    ended: false,
    async write(data: Uint8Array) {
      sink.text += Buffer.from(data).toString();
    },
    async end() {
      sink.ended = true;
    },
  };
  return sink;
}

describe("input by offset", () => {
  it("arrives once and in order, however often parts of it are sent again", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.string({ minLength: 1, maxLength: 60 }),
        fc.array(fc.tuple(fc.nat(), fc.nat()), { maxLength: 20 }),
        async (text, repeats) => {
          const bytes = Buffer.from(text);
          const sink = recorder();
          const stdin = new Stdin(sink);
          for (const [at, length] of repeats) {
            const from = at % (stdin.written + 1);
            await stdin.write(from, bytes.subarray(from, from + (length % (bytes.length + 1))), false);
          }
          await stdin.write(0, bytes, true);
          await stdin.write(0, bytes, true);
          expect(sink.text).toBe(text);
          expect(sink.ended).toBe(true);
          expect(stdin).toMatchObject({ written: bytes.length, closed: true });
        },
      ),
    );
  });

  it("refuses gaps, and bytes after the end, but not a second end", async () => {
    const stdin = new Stdin(recorder());
    await expect(stdin.write(3, Buffer.from("x"), false)).rejects.toMatchObject({ code: "failed_precondition" });
    await stdin.write(7, Buffer.alloc(0), true);
    await stdin.write(0, Buffer.alloc(0), true);
    await expect(stdin.write(0, Buffer.from("x"), false)).rejects.toMatchObject({ code: "failed_precondition" });
  });

  it("says so when the process reads no more, and counts nothing", async () => {
    const stdin = new Stdin({ write: () => Promise.reject(new Error("EPIPE")), end: async () => {} });
    await expect(stdin.write(0, Buffer.from("x"), false)).rejects.toMatchObject({ code: "failed_precondition" });
    expect(stdin.written).toBe(0);
  });

  it("ends the stream before when another takes over", () => {
    const stdin = new Stdin(recorder());
    using first = stdin.takeOver();
    using second = stdin.takeOver();
    expect([first.signal.aborted, second.signal.aborted]).toEqual([true, false]);
  });
});
