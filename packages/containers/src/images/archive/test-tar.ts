// Builds tar archives for tests, hostile ones included.

export interface TestEntry {
  readonly path: string;
  readonly type?: "file" | "directory" | "symlink" | "hardlink";
  readonly content?: string | Uint8Array;
  readonly mode?: number;
  readonly link?: string;
}

const FLAGS = { file: "0", directory: "5", symlink: "2", hardlink: "1" } as const;

export function testTar(entries: readonly TestEntry[]): Buffer {
  const blocks = entries.flatMap(({ path, type = "file", content = "", mode = type === "directory" ? 0o755 : 0o644, link = "" }) => {
    const data = Buffer.from(content);
    const records = Buffer.concat([paxRecord("path", path), ...(link === "" ? [] : [paxRecord("linkpath", link)])]);
    const size = type === "file" ? data.length : 0;
    return [
      header("pax", "x", records.length, 0),
      padded(records),
      header("short", FLAGS[type], size, mode),
      ...(size > 0 ? [padded(data)] : []),
    ];
  });
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}

function paxRecord(key: string, value: string): Buffer {
  const size = Buffer.byteLength(` ${key}=${value}\n`);
  let length = size + 1;
  while (size + String(length).length !== length) length += 1;
  return Buffer.from(`${length} ${key}=${value}\n`);
}

function padded(data: Buffer): Buffer {
  return Buffer.concat([data, Buffer.alloc((512 - (data.length % 512)) % 512)]);
}

function header(name: string, type: string, size: number, mode: number): Buffer {
  const block = Buffer.alloc(512);
  block.write(name, 0);
  for (const [value, at, width] of [
    [mode, 100, 8],
    [0, 108, 8],
    [0, 116, 8],
    [size, 124, 12],
    [0, 136, 12],
  ] as const) {
    block.write(`${value.toString(8).padStart(width - 1, "0")}\0`, at);
  }
  block.write("        ", 148);
  block.write(type, 156);
  block.write("ustar\x0000", 257);
  block.write(
    `${block
      .reduce((sum, byte) => sum + byte, 0)
      .toString(8)
      .padStart(6, "0")}\0 `,
    148,
  );
  return block;
}
