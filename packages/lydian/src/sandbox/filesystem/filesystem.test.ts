import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LydianError } from "@lydian/protocol";
import { afterEach, describe, expect, it } from "vitest";
import {
  SandboxFilesystemDirectoryNotEmptyError,
  SandboxFilesystemError,
  SandboxFilesystemFileTooLargeError,
  SandboxFilesystemIsADirectoryError,
  SandboxFilesystemNotADirectoryError,
  SandboxFilesystemNotFoundError,
  SandboxFilesystemPathAlreadyExistsError,
  SandboxFilesystemPermissionError,
} from "../sandbox-errors.ts";
import { bytes, startTestSandbox, type TestSandbox, text } from "../test-sandbox.ts";
import type { FileWatchEvent } from "./watch.ts";

let rig: TestSandbox | undefined;
let directory: string | undefined;
afterEach(async () => {
  await rig?.[Symbol.asyncDispose]();
  if (directory !== undefined) await rm(directory, { recursive: true });
  rig = directory = undefined;
});

type Command = Record<string, Record<string, unknown>>;
const commandOf = (argv: readonly string[]) => JSON.parse(argv[1] ?? "") as Command;

const ENTRY = {
  name: "a.txt",
  path: "/work/a.txt",
  type: "file",
  size: 5,
  mode: 0o100644,
  permissions: "0644",
  owner: "root",
  group: "root",
  modified_time: 1700000000.5,
  symlink_target: null,
};

/** A file tool of a few answers; files that are written are kept. */
async function serve(answer: (command: Command) => { stdout?: string | Uint8Array; error?: object } = () => ({}), options = {}) {
  const files = new Map<string, string>();
  rig = await startTestSandbox(
    (argv, stdin) => {
      const command = commandOf(argv);
      const { WriteFile } = command;
      if (WriteFile) files.set(String(WriteFile.path), text(stdin));
      const { stdout = "", error } = answer(command);
      return error ? { stderr: JSON.stringify(error), exit: { case: "code", value: 1 } } : { stdout };
    },
    { reads: (argv) => "WriteFile" in commandOf(argv) || "Watch" in commandOf(argv), ...options },
  );
  const { sandbox, started } = rig;
  return { filesystem: sandbox.filesystem, files, started };
}

describe("files of a sandbox", () => {
  it("are read as text, as bytes and in chunks by the tool of the container", async () => {
    const { filesystem, started } = await serve(() => ({ stdout: "hellö" }));
    expect(await filesystem.readText("/a")).toBe("hellö");
    expect(text(await filesystem.readBytes("/a"))).toBe("hellö");
    let read = "";
    for await (const chunk of filesystem.readStream("/a")) read += text(chunk);
    expect(read).toBe("hellö");
    expect(started[0]?.argv).toEqual(["/__modal/.bin/modal-sandbox-fs-tools", '{"ReadFile":{"path":"/a"}}']);
  });

  it("are written at once or from a source, as a whole", async () => {
    const { filesystem, files } = await serve();
    await filesystem.writeText("/t", "text ✓");
    await filesystem.writeBytes("/b", bytes("bytes"));
    await filesystem.writeStream("/s", new Blob(["a blob"]));
    await filesystem.writeStream(
      "/g",
      (async function* () {
        yield "one ";
        yield bytes("two");
      })(),
    );
    await filesystem.writeText("/empty", "");
    expect(Object.fromEntries(files)).toEqual({ "/t": "text ✓", "/b": "bytes", "/s": "a blob", "/g": "one two", "/empty": "" });
  });

  it("stay as they were when the source fails", async () => {
    const killed: string[] = [];
    const { filesystem, files } = await serve(() => ({}), {
      processes: {
        signal({ signal }: { signal: string }) {
          killed.push(signal);
          return {};
        },
      },
    });
    const source = async function* () {
      yield "half";
      throw new RangeError("the source broke");
    };
    await expect(filesystem.writeStream("/a", source())).rejects.toThrow("the source broke");
    expect(files.size).toBe(0);
    expect(killed).toEqual(["SIGKILL"]);
  });

  it("are told of with everything that is known", async () => {
    const link = { ...ENTRY, name: "b", type: "symlink", symlink_target: "a.txt" };
    const { filesystem } = await serve((command) => ({ stdout: JSON.stringify("Stat" in command ? ENTRY : [ENTRY, link]) }));
    expect(await filesystem.stat("/work/a.txt")).toEqual({
      name: "a.txt",
      path: "/work/a.txt",
      type: "file",
      size: 5,
      mode: 0o100644,
      permissions: "0644",
      owner: "root",
      group: "root",
      modifiedAt: new Date(1700000000500),
      symlinkTarget: undefined,
    });
    expect((await filesystem.list("/work")).map(({ type, symlinkTarget }) => [type, symlinkTarget])).toEqual([
      ["file", undefined],
      ["symlink", "a.txt"],
    ]);
    expect(await filesystem.exists("/work/a.txt")).toBe(true);
  });

  it("are made and removed with the options of the tool", async () => {
    const { filesystem, started } = await serve();
    await filesystem.mkdir("/d");
    await filesystem.mkdir("/d", { parents: false });
    await filesystem.remove("/d", { recursive: true });
    expect(started.map(({ argv }) => argv[1])).toEqual([
      '{"MakeDirectory":{"path":"/d","parents":true}}',
      '{"MakeDirectory":{"path":"/d","parents":false}}',
      '{"Remove":{"path":"/d","recursive":true}}',
    ]);
  });

  it("are copied from and to this machine", async () => {
    directory = await mkdtemp(join(tmpdir(), "ly-files-"));
    const local = join(directory, "in.bin");
    await writeFile(local, "x".repeat(3 << 20));
    const { filesystem, files } = await serve(() => ({ stdout: "from there" }));
    await filesystem.copyFromLocal(local, "/in.bin");
    expect(files.get("/in.bin")).toHaveLength(3 << 20);
    await filesystem.copyToLocal("/out.txt", join(directory, "out.txt"));
    expect(await readFile(join(directory, "out.txt"), "utf8")).toBe("from there");
    expect((await readdir(directory)).sort()).toEqual(["in.bin", "out.txt"]);
    await expect(filesystem.copyFromLocal(directory, "/d")).rejects.toThrow("is no file, and only files can be copied");
    await expect(filesystem.copyFromLocal(join(directory, "none"), "/d")).rejects.toThrow("cannot be read");
  });

  it("leave nothing behind on this machine when they cannot be read", async () => {
    directory = await mkdtemp(join(tmpdir(), "ly-files-"));
    const { filesystem } = await serve(() => ({ error: { error_kind: "NotFound", message: "no such file" } }));
    await expect(filesystem.copyToLocal("/a", join(directory, "a"))).rejects.toThrow(SandboxFilesystemNotFoundError);
    expect(await readdir(directory)).toEqual([]);
  });

  it.each(["a", "", "/a\0b"])("have absolute paths, unlike %j", async (path) => {
    const { filesystem } = await serve();
    await expect(filesystem.readText(path)).rejects.toThrow(`The path is ${JSON.stringify(path)}`);
  });
});

describe("errors of files", () => {
  it.each([
    ["NotFound", SandboxFilesystemNotFoundError, "not_found"],
    ["IsDirectory", SandboxFilesystemIsADirectoryError, "failed_precondition"],
    ["NotDirectory", SandboxFilesystemNotADirectoryError, "failed_precondition"],
    ["PathAlreadyExists", SandboxFilesystemPathAlreadyExistsError, "already_exists"],
    ["DirectoryNotEmpty", SandboxFilesystemDirectoryNotEmptyError, "failed_precondition"],
    ["PermissionDenied", SandboxFilesystemPermissionError, "permission_denied"],
    ["FileTooLarge", SandboxFilesystemFileTooLargeError, "resource_exhausted"],
    ["SomethingNew", SandboxFilesystemError, "failed_precondition"],
  ] as const)("of kind %s have a class of their own", async (kind, errorClass, code) => {
    const { filesystem } = await serve(() => ({ error: { error_kind: kind, message: "it failed", detail: "errno 5" } }));
    const thrown = await filesystem.stat("/a").catch((error: unknown) => error);
    expect(thrown).toBeInstanceOf(errorClass);
    expect(thrown).toBeInstanceOf(SandboxFilesystemError);
    expect(thrown).toMatchObject({ code, name: errorClass.prototype.name, message: "/a could not be looked at: it failed (errno 5)" });
  });

  it("say which argument is none before anything is sent", async () => {
    const { filesystem } = await serve();
    await expect(filesystem.writeText("/a", 5 as never)).rejects.toThrow("The text for /a is 5; it must be a string.");
    await expect(filesystem.writeBytes("/a", "text" as never)).rejects.toThrow("must be a Uint8Array, not string");
    await expect(filesystem.writeStream("/a", undefined as never)).rejects.toThrow("must be a string, a Uint8Array, a Blob");
    await expect(filesystem.copyToLocal("/a", "/no/such/place")).rejects.toThrow(/^\/no\/such\/place cannot be written: ENOENT/);
  });

  it("are told as they are when the tool says something else", async () => {
    rig = await startTestSandbox(() => ({ stderr: "Illegal instruction", exit: { case: "signal", value: 4 } }));
    await expect(rig.sandbox.filesystem.remove("/a")).rejects.toThrow("/a could not be removed: exit code 132, Illegal instruction");
  });

  it("of writing come from the tool also when it stops reading", async () => {
    const { filesystem } = await serve(() => ({ error: { error_kind: "IsDirectory", message: "it is a directory" } }), {
      reads: () => false,
      router: {
        taskExecStdinWrite() {
          throw new LydianError("failed_precondition", "The process has ended, or reads no more input.");
        },
      },
    });
    await expect(filesystem.writeText("/d", "x")).rejects.toThrow(SandboxFilesystemIsADirectoryError);
  });

  it("say that something is not there as an answer, where that is the question", async () => {
    const { filesystem } = await serve(() => ({ error: { error_kind: "NotFound", message: "no such file" } }));
    expect(await filesystem.exists("/a")).toBe(false);
  });
});

describe("watching files", () => {
  it("tells what happens, with renames as changes, until the reader leaves", async () => {
    const { filesystem, started } = await serve(() => ({}), {
      reads: () => false,
      router: {
        async *taskExecStdioRead({ fileDescriptor }: { fileDescriptor: number }, { signal }: { signal: AbortSignal }) {
          if (fileDescriptor !== 0) return;
          yield { data: bytes('{"event_type":"Create","paths":["/w/a"]}\n{"event_type":"Rena') };
          yield { data: bytes('me","paths":["/w/a","/w/b"]}\n') };
          await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
        },
      },
    });
    const events: FileWatchEvent[] = [];
    for await (const event of filesystem.watch("/w", { recursive: true, filter: ["create", "modify"] })) {
      events.push(event);
      if (events.length === 2) break;
    }
    expect(events).toEqual([
      { type: "create", paths: ["/w/a"] },
      { type: "modify", paths: ["/w/a", "/w/b"] },
    ]);
    expect(commandOf(started[0]?.argv ?? [])).toEqual({
      Watch: { path: "/w", recursive: true, filter: ["Create", "Modify", "Rename", "RenameFrom", "RenameTo"], timeout_secs: null },
    });
    expect(started[0]?.inputEnded).toBe(true);
  });

  it("ends with its timeout, and fails for what is not there", async () => {
    const { filesystem, started } = await serve(() => ({}), { reads: () => false });
    for await (const event of filesystem.watch("/w", { timeout: "1500ms" })) expect.unreachable(JSON.stringify(event));
    expect(commandOf(started[0]?.argv ?? []).Watch?.timeout_secs).toBe(2);
    await rig?.[Symbol.asyncDispose]();
    const { filesystem: other } = await serve(() => ({ error: { error_kind: "NotFound", message: "no such directory" } }), {
      reads: () => false,
    });
    await expect(other.watch("/w")[Symbol.asyncIterator]().next()).rejects.toThrow(SandboxFilesystemNotFoundError);
    await expect(
      other
        .watch("/w", { filter: ["delete" as never] })
        [Symbol.asyncIterator]()
        .next(),
    ).rejects.toThrow('`filter` has "delete"');
  });
});
