// Sandboxes through the official client: their life, processes, files, snapshots, networks, and what is refused.
import { beforeAll, expect, it } from "vitest";
import { resultsOf } from "../run-command.ts";
import { type Client, clientsFor, describeWithPython, TestServer } from "./clients.ts";

const server = new TestServer();
const versions = clientsFor("core");
/** 1.4 lacks some of what the other programs use. */
const newest: readonly string[] = clientsFor("rest").filter((version) => version !== "1.4.3");

/** The lines of a program of `programs/sandboxes`. */
async function runProgram(client: Client, name: string) {
  const run = await client.python([`sandboxes/${name}.py`]);
  expect(run.code, run.output).toBe(0);
  return { results: resultsOf(run), run };
}

const over = expect.stringMatching(/^ConflictError: The sandbox sb-\w+ is over: It was terminated by a client\.$/);

describeWithPython.each(versions)("Python %s", (version) => {
  let client: Client;
  beforeAll(async () => {
    client = await server.client(version);
    const stored = await client.modal(["secret", "create", "--force", "of-sandboxes", "FROM_STORE=stored"]);
    expect(stored.code, stored.output).toBe(0);
  });

  it("sandboxes: made with options, found, waited for and ended", async () => {
    const { results, run } = await runProgram(client, "lifecycle");
    expect(results, run.output).toEqual({
      command: "('out\\n', 'err\\n', 3)",
      "no command": "'alive\\n'",
      "no image": "'default\\n'",
      workdir: "'/usr/share\\n'",
      env: "'image env call\\n'",
      secrets: "'first second env\\n'",
      "named secret": "'stored\\n'",
      "cpu and memory": "'small\\n'",
      "too much memory": "True",
      terminal: "('tty\\r\\n', '')",
      verbose: "0",
      "large output": "3000000",
      "bytes that are no text": "'ä\\n'",
      signal: "143",
      stdin: "None",
      "first line": "'got one\\n'",
      poll: "(None, None)",
      "by id": "True",
      "by name": "True",
      "taken name": expect.stringMatching(
        /^AlreadyExistsError: A sandbox of the name "named-\w+" already exists in this app: sb-\w+, which runs\.$/,
      ),
      "list by tag": "['second', 'first']",
      "list by tags": "['second']",
      "list by a tag of none": "[]",
      tags: "True",
      "set tags": "{'part': 'new'}",
      "list after": "['first']",
      "end of input": "None",
      wait: "0",
      "rest of the lines": "['end\\n']",
      "poll after": "0",
      "list of the running": "[]",
      "name is free": "None",
      terminate: "None",
      "terminate again": "None",
      "wait for the terminated": "SandboxTerminatedError: ",
      "wait without raising": "137",
      "exec after": over,
      timeout: "SandboxTimeoutError: ",
      "idle timeout": "None",
      "waited while it goes on": "None",
      ready: "None",
      "never ready": expect.stringMatching(/^TimeoutError: /),
      many: "3",
      "stop of the app": "[]",
      "none left": "[]",
    });
  });

  it("sandboxes: processes, with everything that they can be given", async () => {
    const { results, run } = await runProgram(client, "processes");
    expect(results, run.output).toEqual({
      output: "('out\\n', 'err\\n', 4)",
      workdir: "'/usr/share\\n'",
      env: "'sandbox call\\n'",
      secrets: "'first second\\n'",
      "secrets are of one process": "'[]\\n'",
      bytes: "b'\\xff\\x00\\x01'",
      "text of several bytes": "'hällo'",
      "wrong text": "UnicodeDecodeError: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte",
      lines: "['one\\n', '\\n', 'three']",
      stdin: "'one two'",
      "stdin of bytes": "b'\\xff\\x00'",
      "large stdin": "6291456",
      "stdin of one that has ended": "ConflictError: The process has ended, or reads no more input.",
      terminal: "('24 80\\r\\nvt100\\r\\n', '', 0)",
      "no stdout": "2",
      "stdout of this program": "0",
      timeout: expect.stringMatching(/^(137|-1)$/),
      "in time": "0",
      killed: "137",
      interrupted: "130",
      poll: "(None, 0, 0, 0)",
      "many at once": "True",
      "output of many": "True",
      "large output": "20000000",
      "nobody reads": "0",
      "a child that stays": "'started\\n'",
      "shared files": "'kept\\n'",
      "no such program": expect.stringMatching(
        /^InvalidError: "no-such-program" could not be started in "\/" of ta-\w+: no-such-program could not be started: no such file or directory \(ENOENT\)\.$/,
      ),
      "no such directory": expect.stringMatching(
        /^InvalidError: "true" could not be started in "\/nowhere" of ta-\w+: The working directory \/nowhere cannot be used: no such file or directory \(ENOENT\)\.$/,
      ),
      "not executable": expect.stringMatching(
        /^InvalidError: "\/etc\/passwd" could not be started in "\/" of ta-\w+: \/etc\/passwd could not be started: permission denied \(EACCES\)\.$/,
      ),
      "relative directory": "InvalidError: workdir must be an absolute path, got: here",
      "nothing to run": "InvalidError: A process needs a command: command_args is empty.",
      "too long": "InvalidError: Total length of CMD arguments cannot exceed 65536 bytes (ARG_MAX). Got 70004 bytes.",
      "wrong name of a variable": 'InvalidError: "A-B" is not a name of a variable: letters, digits and "_", not beginning with a digit.',
      detach: "None",
      "after detach": "ClientClosed: Unable to perform operation on a detached sandbox",
      "found again": "'kept\\n'",
      terminate: "None",
      "after the end": over,
    });
    expect(run.stdout).toContain("\nprinted by the sandbox\n");
  });

  it.skipIf(!newest.includes(version))("sandboxes: files in and out, and changes of them", async () => {
    const { results, run } = await runProgram(client, "files");
    expect(results, run.output).toEqual({
      "write text": "None",
      "read text": "'héllo\\n'",
      "in a process": "'héllo\\n'",
      "write bytes": "None",
      "read bytes": "True",
      overwrite: "'short'",
      empty: "b''",
      list: "[('bytes', 'file'), ('dangling', 'symlink'), ('deep', 'directory'), ('empty', 'file'), ('link', 'symlink'), ('pipe', 'file')]",
      stat: "['bytes', '/data/bytes', 5, '0640', 'root', 'root']",
      "stat of a link": "['link', 'deep/text']",
      "through a link": "'héllo\\n'",
      "make directories": "None",
      again: "None",
      "without parents": "SandboxFilesystemNotFoundError: no such file or directory (ENOENT): /data/x/y",
      remove: "\"ls: cannot access '/data/empty': No such file or directory\\n\"",
      "remove one that is full": "SandboxFilesystemDirectoryNotEmptyError: directory not empty (ENOTEMPTY): /data/a",
      "remove a tree": "\"ls: cannot access '/data/a': No such file or directory\\n\"",
      "remove a link": "'héllo\\n'",
      upload: "None",
      "its sum": "True",
      download: "None",
      "is the same": "True",
      "upload of nothing": expect.stringMatching(/^FileNotFoundError: \[Errno 2\] No such file or directory: '\/tmp\/\w+\/nothing'$/),
      "no such file": "SandboxFilesystemNotFoundError: no such file or directory (ENOENT): /nowhere",
      "a directory": "SandboxFilesystemIsADirectoryError: illegal operation on a directory (EISDIR): /data",
      "below a file": "SandboxFilesystemNotADirectoryError: not a directory (ENOTDIR): /data/bytes/x",
      "list a file": "SandboxFilesystemNotADirectoryError: not a directory (ENOTDIR): /data/bytes",
      "list nothing": "SandboxFilesystemNotFoundError: no such file or directory (ENOENT): /nowhere",
      "remove nothing": "SandboxFilesystemNotFoundError: no such file or directory (ENOENT): /nowhere",
      "relative path": "InvalidError: Sandbox.filesystem.read_text() currently only supports absolute remote_path values",
      "not text": "UnicodeDecodeError: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte",
      "too large": "SandboxFilesystemFileTooLargeError: file too large (EFBIG): /data/huge",
      watch: "'create'",
      "watch in vain": "[]",
      "after the end": "NotFoundError: The Sandbox is unavailable. This Sandbox may have already shut down.",
    });
  });

  it.skipIf(!newest.includes(version))("sandboxes: snapshots of files and directories, and mounts", async () => {
    const { results, run } = await runProgram(client, "snapshots");
    expect(results, run.output).toEqual({
      "is an image": "'im-'",
      files: "'one\\ntwo\\n711\\nkept\\n0'",
      "of a snapshot": "\"one\\nthree\\nls: cannot access '/data/deep': No such file or directory\\n2\"",
      "goes on": "'later\\n0'",
      "built upon": "'built\\none\\n0'",
      "a directory as the root": "'0'",
      mount: "None",
      "what is there": "'two\\ntwo\\ndeep\\nlink\\n0'",
      "written into": "'0'",
      unmount: "None",
      "as before": "'hidden\\nold\\n0'",
      "mount the changed": "None",
      "its changes": "'new\\ndeep\\nnew\\n0'",
      "the first is as it was": "'deep\\nlink\\n0'",
      "mount of nothing": "'x\\n0'",
      "no such directory": expect.stringMatching(
        /^ConflictError: The directory "\/nowhere" could not be kept: The directory \/nowhere of container ta-\w+ could not be copied: \/nowhere: No such file or directory$/,
      ),
      "a relative directory": "InvalidError: Snapshot path must be absolute; got: data",
      "a wrong time to live": "InvalidError: ttl must be positive, or None to disable expiry",
      "for ever": "'im-'",
      "unmount what is not mounted": expect.stringMatching(
        /^ConflictError: "\/usr" could not be unmounted: Nothing could be unmounted from \/usr of container ta-\w+: nothing is mounted at \/usr$/,
      ),
      "an image that is not built": "InvalidError: Sandbox.mount_image() currently only supports Images that are either:",
      "after the end": over,
    });
  });

  it.skipIf(!newest.includes(version))("sandboxes: what they reach, from the start and changed later", async () => {
    const { results, run } = await runProgram(client, "network");
    expect(results, run.output).toEqual({
      open: "['let through', 'let through']",
      blocked: "['refused', 'refused']",
      "a list of ranges": "['let through', 'refused']",
      "an empty list": "['refused', 'refused']",
      "a wrong range": "InvalidError: Invalid CIDR (outbound IPv4): 203.0.113.0/99",
      "blocked with a list": "InvalidError: `outbound_cidr_allowlist` cannot be used when `block_network` is enabled",
      "a list of domains": "['refused', 'refused']",
      "a wrong domain": 'InvalidError: "exa mple" is not a domain.',
      later: "['refused', 'let through']",
      "and back": "['let through', 'let through']",
      "to a wrong range": "InvalidError: Invalid CIDR (outbound IPv4): x",
      "as it was": "['let through', 'let through']",
    });
  });
});
