import type { Agent, AgentFiles, OpenFile } from "@lydian/containers";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Deadlines } from "../calls/deadlines.ts";
import type { ExecHome } from "./exec-home.ts";
import { FileCommands } from "./file-commands.ts";

let now = 0;
let wake: (() => void) | undefined;
let written: string[] = [];
let closed = 0;
let commands: FileCommands;
const clock = {
  now: () => now,
  after: (_ms: number, fire: () => void) => {
    wake = fire;
    return () => {
      wake = undefined;
    };
  },
};
const pass = (ms: number) => {
  now += ms;
  wake?.();
};

/** A file that gives its pieces one by one, and keeps what is written. */
const file: OpenFile = {
  async *read() {
    for (const piece of ["one", "two", "three"]) yield Buffer.from(piece);
  },
  async *readLine() {},
  async write(data) {
    written.push(Buffer.from(data).toString());
  },
  async seek() {},
  close: () => {
    closed += 1;
  },
  [Symbol.dispose]: () => {},
};

function homeOf(workspaceId: string, taskId = "ta-1"): ExecHome {
  const files = { open: async () => file } as unknown as AgentFiles;
  const use = () => ({ [Symbol.dispose]: () => {} });
  return { taskId, workspaceId, dir: "", env: {}, workdir: "/", agent: async () => ({ files }) as unknown as Agent, use };
}
const mine = homeOf("ac-1");

async function given(execId: string, workspaceId = "ac-1", most = Number.POSITIVE_INFINITY) {
  const got: unknown[] = [];
  for await (const next of commands.output(execId, workspaceId, 1_000)) {
    got.push(next instanceof Uint8Array ? Buffer.from(next).toString() : next);
    if (got.length === most) break;
  }
  return got;
}
const open = async (home = mine) => {
  const { execId, fileDescriptor = "" } = await commands.start(
    home,
    { case: "fileOpenRequest", value: request({ path: "/f", mode: "r" }) },
    "",
  );
  expect(await given(execId, home.workspaceId)).toEqual(["done"]);
  return fileDescriptor;
};
const request = <T extends object>(fields: T) => fields as T & { $typeName: never };
const write = (fileDescriptor: string) => ({
  case: "fileWriteRequest" as const,
  value: request({ fileDescriptor, data: Buffer.from("x") }),
});
const read = (fileDescriptor: string) => ({ case: "fileReadRequest" as const, value: request({ fileDescriptor }) });

beforeEach(() => {
  now = 1_000;
  written = [];
  closed = 0;
  commands = new FileCommands({ deadlines: new Deadlines(clock, () => {}), now: () => now });
});
afterEach(() => {
  wake = undefined;
});

describe("commands for files", () => {
  it("are run once, also when the request comes again", async () => {
    const fileDescriptor = await open();
    const first = await commands.start(mine, write(fileDescriptor), "key");
    expect(await commands.start(mine, write(fileDescriptor), "key")).toEqual(first);
    expect(await given(first.execId)).toEqual(["done"]);
    expect(await given(first.execId)).toEqual(["done"]);
    expect(written).toEqual(["x"]);
  });

  it("give each piece once, to whoever asks next", async () => {
    const { execId } = await commands.start(mine, read(await open()), "");
    expect(await given(execId, "ac-1", 2)).toEqual(["one", "two"]);
    expect(await given(execId)).toEqual(["three", "done"]);
  });

  it("and open files are unknown to other workspaces, and to other containers", async () => {
    const fileDescriptor = await open();
    for (const other of [homeOf("ac-2"), homeOf("ac-1", "ta-2")]) {
      const { execId } = await commands.start(other, read(fileDescriptor), "");
      expect(await given(execId, other.workspaceId)).toMatchObject([{ error: { code: "not_found" } }]);
    }
    const { execId } = await commands.start(mine, read(fileDescriptor), "");
    await expect(given(execId, "ac-2")).rejects.toMatchObject({ code: "not_found" });
  });

  it("are given up when nobody asks for their output, and files when nobody uses them", async () => {
    const fileDescriptor = await open();
    const { execId } = await commands.start(mine, read(fileDescriptor), "key");
    pass(200_000);
    await expect(given(execId)).rejects.toMatchObject({ code: "not_found" });
    expect((await commands.start(mine, read(fileDescriptor), "key")).execId).not.toBe(execId);
    pass(4_000_000);
    await new Promise((resolve) => setImmediate(resolve));
    expect(closed).toBe(1);
  });

  it("are bounded", async () => {
    for (let count = 0; count < 250; count++) await open();
    await expect(open()).rejects.toMatchObject({ code: "resource_exhausted" });
    expect(closed).toBe(1);
    await open(homeOf("ac-1", "ta-2"));
  });
});
