import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  SandboxFilesystemFileTooLargeError,
  SandboxFilesystemNotFoundError,
  SandboxFilesystemPathAlreadyExistsError,
} from "../sandbox-errors.ts";
import { FileIO, type FileMode, type WholeFiles } from "./file-io.ts";

/** A file system of whole files in memory. */
function memory(initial: Record<string, string> = {}) {
  const files = new Map(Object.entries(initial).map(([path, text]) => [path, new TextEncoder().encode(text)] as const));
  const find = (path: string) => {
    const found = files.get(path);
    if (!found) throw new SandboxFilesystemNotFoundError(`no such file: ${path}`);
    return found;
  };
  const whole: WholeFiles = {
    readBytes: async (path) => find(path).slice(),
    writeBytes: async (path, data) => void files.set(path, data.slice()),
    stat: async (path) => ({ size: find(path).length }),
    exists: async (path) => files.has(path),
  };
  return { whole, files, text: (path: string) => new TextDecoder().decode(find(path)) };
}

describe("an open file", () => {
  it("is read in parts and by lines", async () => {
    const { whole } = memory({ "/a": "one\ntwo\n\nthree" });
    await using file = await FileIO.open(whole, "/a", "r");
    expect(await file.readText(2)).toBe("on");
    expect(await file.readLine()).toBe("e");
    expect(await file.readLines()).toEqual(["two", "", "three"]);
    expect(await file.readLine()).toBeUndefined();
    await file.seek(-5, "end");
    expect(await file.readText()).toBe("three");
    await file.seek(4);
    await file.seek(1, "current");
    expect(await file.readText(2)).toBe("wo");
    await expect(file.seek(-1)).rejects.toThrow("The position would be -1");
  });

  it.each<[FileMode, string, string]>([
    ["w", "old text", "new"],
    ["a", "old text", "old textnew"],
    ["r+", "old text", "new text"],
    ["a+", "old text", "old textnew"],
  ])("opened with %s writes where that mode writes", async (mode, before, after) => {
    const { whole, text } = memory({ "/a": before });
    {
      await using file = await FileIO.open(whole, "/a", mode);
      await file.write("new");
    }
    expect(text("/a")).toBe(after);
  });

  it("is there as soon as it is opened for writing, and not made for reading", async () => {
    const { whole, text } = memory();
    await FileIO.open(whole, "/w", "w");
    await FileIO.open(whole, "/a", "a");
    await FileIO.open(whole, "/x", "x");
    expect([text("/w"), text("/a"), text("/x")]).toEqual(["", "", ""]);
    await expect(FileIO.open(whole, "/x", "x")).rejects.toThrow(SandboxFilesystemPathAlreadyExistsError);
    await expect(FileIO.open(whole, "/r", "r")).rejects.toThrow(SandboxFilesystemNotFoundError);
  });

  it("does what its mode allows, until it is closed", async () => {
    const { whole } = memory({ "/a": "x" });
    const reader = await FileIO.open(whole, "/a", "r");
    await expect(reader.write("y")).rejects.toThrow('was opened with "r", which does not allow to write');
    const writer = await FileIO.open(whole, "/a", "a");
    await expect(writer.read()).rejects.toThrow("does not allow to read");
    await expect(writer.write(5 as never)).rejects.toThrow("What is written must be a string or a Uint8Array, not number.");
    await expect(reader.read(-1)).rejects.toThrow("The count is -1");
    await expect(reader.seek(0, "begin" as never)).rejects.toThrow('`whence` is "begin"; it must be "start", "current" or "end".');
    await reader.close();
    await reader.close();
    await expect(reader.read()).rejects.toThrow("The file /a is closed.");
    await expect(FileIO.open(whole, "/a", "rw" as FileMode)).rejects.toThrow('The mode is "rw"');
  });

  it("is at most 100 MiB, before it is sent", async () => {
    const { whole } = memory({ "/a": "" });
    await expect(FileIO.open({ ...whole, stat: async () => ({ size: 101 << 20 }) }, "/a", "r")).rejects.toThrow(
      SandboxFilesystemFileTooLargeError,
    );
    const file = await FileIO.open(whole, "/a", "w");
    await file.seek(100 << 20);
    await expect(file.write("x")).rejects.toThrow(SandboxFilesystemFileTooLargeError);
  });

  it("is written back again when writing back failed", async () => {
    const { whole, text } = memory({ "/a": "" });
    let isFull = true;
    const file = await FileIO.open(
      { ...whole, writeBytes: (path, data) => (isFull ? Promise.reject(new Error("full")) : whole.writeBytes(path, data)) },
      "/a",
      "r+",
    );
    await file.write("kept");
    await expect(file.close()).rejects.toThrow("full");
    isFull = false;
    await file.close();
    expect(text("/a")).toBe("kept");
  });

  it("behaves as one of this machine", async () => {
    const { open } = await import("node:fs/promises");
    const dir = mkdtempSync(join(tmpdir(), "ly-io-"));
    try {
      const step = fc.oneof(
        fc.record({ do: fc.constant("write" as const), text: fc.string({ maxLength: 9 }) }),
        fc.record({ do: fc.constant("seek" as const), to: fc.nat(30) }),
        fc.record({ do: fc.constant("read" as const), count: fc.nat(12) }),
      );
      await fc.assert(
        fc.asyncProperty(fc.string({ maxLength: 20 }), fc.array(step, { maxLength: 12 }), async (initial, steps) => {
          const path = join(dir, "file");
          writeFileSync(path, initial);
          const { whole, text } = memory({ "/a": initial });
          const file = await FileIO.open(whole, "/a", "r+");
          const real = await open(path, "r+");
          let at = 0;
          for (const each of steps) {
            if (each.do === "write") {
              at += (await real.write(Buffer.from(each.text), 0, undefined, at)).bytesWritten;
              await file.write(each.text);
            } else if (each.do === "seek") {
              at = each.to;
              await file.seek(at);
            } else {
              const buffer = Buffer.alloc(each.count);
              const { bytesRead } = each.count === 0 ? { bytesRead: 0 } : await real.read(buffer, 0, each.count, at);
              at += bytesRead;
              expect(Buffer.from(await file.read(each.count))).toEqual(buffer.subarray(0, bytesRead));
            }
            expect(file.position).toBe(at);
          }
          await file.close();
          await real.close();
          expect(text("/a")).toBe(readFileSync(path, "utf8"));
        }),
        { numRuns: 60 },
      );
    } finally {
      rmSync(dir, { recursive: true });
    }
  });
});
