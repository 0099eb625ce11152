// The SDK against a real server and real containers.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type RunningServer, startServer } from "@lydian/server";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { shareTestLayers } from "../../../containers/src/images/testing.ts";
import { Client, currentClient } from "../client.ts";
import { AlreadyExistsError, InvalidError, NotFoundError } from "../errors.ts";
import { Image } from "../image/image.ts";
import { Secret } from "../secret.ts";
import { breakingProxy } from "./breaking-proxy.ts";
import { Sandbox } from "./sandbox.ts";
import {
  CommandFailedError,
  ExecTimeoutError,
  SandboxFilesystemDirectoryNotEmptyError,
  SandboxFilesystemIsADirectoryError,
  SandboxFilesystemNotADirectoryError,
  SandboxFilesystemNotFoundError,
  SandboxFilesystemPathAlreadyExistsError,
  SandboxTerminatedError,
  SandboxTimeoutError,
} from "./sandbox-errors.ts";
import { sandboxFromId } from "./sandbox-handle.ts";

const DIST = join(import.meta.dirname, "../../dist");
const reason = process.platform !== "linux" || process.getuid?.() !== 0 ? "not root on Linux" : undefined;
if (reason !== undefined) console.log(`skipped: sandboxes of the SDK (${reason})`);

describe.skipIf(reason !== undefined)("a sandbox of the SDK", () => {
  const variables = ["LYDIAN_SERVER_URL", "LYDIAN_TOKEN_ID", "LYDIAN_TOKEN_SECRET"] as const;
  let dataDir: string;
  let server: RunningServer;
  let sandbox: Sandbox;

  beforeAll(async () => {
    dataDir = mkdtempSync(join(tmpdir(), "ly-sdk-sb-"));
    await shareTestLayers(dataDir);
    server = await startServer({
      dataDir,
      port: 0,
      containerHost: "oci",
      runtimeDir: join(DIST, "runtime"),
      launcherProgram: join(DIST, "launcher.js"),
      logLevel: "error",
    });
    const { tokenId, tokenSecret } = JSON.parse(readFileSync(server.tokenFile, "utf8")) as { tokenId: string; tokenSecret: string };
    process.env.LYDIAN_SERVER_URL = server.url;
    process.env.LYDIAN_TOKEN_ID = tokenId;
    process.env.LYDIAN_TOKEN_SECRET = tokenSecret;
    sandbox = await Sandbox.create({ app: "sdk", env: { GREETING: "hello" }, tags: { suite: "sdk" } });
  }, 300_000);
  afterAll(async () => {
    await sandbox?.terminate();
    await currentClient().close();
    await server?.stop();
    for (const name of variables) delete process.env[name];
    rmSync(dataDir, { recursive: true, force: true, maxRetries: 3 });
  });

  it("has further containers, which share its network and nothing else", async () => {
    const serve = "require('http').createServer((_, answer) => answer.end(process.env.ROLE)).listen(7001, '127.0.0.1')";
    const beside = await sandbox.containers.create({ name: "web", command: ["node", "-e", serve], env: { ROLE: "beside" } });
    const ask = `
      for (;;)
        try {
          console.log(await (await fetch("http://127.0.0.1:7001")).text());
          break;
        } catch {
          await new Promise((resolve) => setTimeout(resolve, 20));
        }`;
    expect(await sandbox.exec(["node", "--input-type=module", "-e", ask])).toMatchObject({ exitCode: 0, stdout: "beside\n" });
    await beside.filesystem.writeText("/tmp/own", "x");
    expect(await sandbox.filesystem.exists("/tmp/own")).toBe(false);
    expect((await beside.exec("echo $ROLE $GREETING")).stdout).toBe("beside\n");
    expect((await sandbox.containers.list()).map(({ name }) => name)).toEqual(["web"]);
    await expect(sandbox.containers.create({ name: "web" })).rejects.toThrow(AlreadyExistsError);
    expect(await beside.poll()).toBeUndefined();
    expect(await beside.terminate({ wait: true })).toBe(137);
    expect(await sandbox.containers.list()).toEqual([]);
    const once = await sandbox.containers.create({ name: "web", command: ["sh", "-c", "exit 5"] });
    expect(await once.wait()).toBe(5);
    await expect(sandbox.containers.create({ name: "closed", network: "none" })).rejects.toThrow("share its network");
  });

  describe("running processes", () => {
    it("gives output, errors and exit code of a program and of a line for the shell", async () => {
      expect(await sandbox.exec(["node", "-p", "6 * 7"])).toEqual({ exitCode: 0, stdout: "42\n", stderr: "" });
      expect(await sandbox.exec("echo $GREETING; echo no >&2; exit 3")).toEqual({ exitCode: 3, stdout: "hello\n", stderr: "no\n" });
      expect(await sandbox.exec("kill -9 $$").wait()).toBe(137);
      await expect(sandbox.exec("echo why >&2; exit 2", { check: true })).rejects.toThrow(CommandFailedError);
    });

    it("hands out lines while the program runs, and feeds it", async () => {
      const process = sandbox.exec(["cat"]);
      const lines = process.stdout.lines();
      await process.stdin.write("one\n");
      expect((await lines.next()).value).toBe("one");
      await process.stdin.write("two\n");
      expect((await lines.next()).value).toBe("two");
      expect(await process.poll()).toBeUndefined();
      await process.stdin.end();
      expect((await lines.next()).done).toBe(true);
      expect((await process).stdout).toBe("one\ntwo\n");
    });

    it("keeps bytes as they are, also many", async () => {
      const data = Buffer.alloc(5_000_000, Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)));
      const process = sandbox.exec(["cat"], { encoding: "bytes" });
      const [{ stdout }] = await Promise.all([process, process.stdin.end(data)]);
      expect(Buffer.compare(stdout, data)).toBe(0);
    });

    it("goes on where it was when the connection breaks, again and again", async () => {
      await using proxy = await breakingProxy(Number(new URL(server.url).port), 3_000_000);
      const token = { id: process.env.LYDIAN_TOKEN_ID ?? "", secret: process.env.LYDIAN_TOKEN_SECRET ?? "" };
      const client = Client.connect({ serverUrl: proxy.url, token });
      const far = await sandboxFromId(sandbox.id, client);
      const lines = Array.from({ length: 1_200_000 }, (_, index) => `${index}\n`).join("");
      expect((await far.exec("seq 0 1199999")).stdout).toBe(lines);
      const cat = far.exec(["cat"]);
      const [{ stdout }] = await Promise.all([cat, cat.stdin.end(lines)]);
      expect(stdout).toBe(lines);
      await far.filesystem.writeText("/tmp/lines", lines);
      expect(await far.filesystem.readText("/tmp/lines")).toBe(lines);
      expect(proxy.broken).toBeGreaterThan(10);
      await client.close();
    }, 60_000);

    it("has a place, variables and secrets of its own", async () => {
      const { stdout } = await sandbox.exec("pwd; echo $A $B $GREETING", {
        workdir: "/tmp",
        env: { B: "own" },
        secrets: [Secret.fromObject({ A: "secret", B: "hidden" })],
      });
      expect(stdout).toBe("/tmp\nsecret own hello\n");
    });

    it("has a terminal of the size that is asked for, which can be changed", async () => {
      const process = sandbox.exec("stty size; read _; stty size; tty", { pty: { rows: 33, columns: 101 } });
      const lines = process.stdout.lines();
      expect((await lines.next()).value).toBe("33 101");
      await process.resize({ rows: 44, columns: 55 });
      await process.stdin.write("\n");
      const rest: string[] = [];
      for await (const line of lines) rest.push(line);
      expect(rest).toContain("44 55");
      expect(rest.at(-1)).toMatch(/^\/dev\/pts\//);
      expect(await process.wait()).toBe(0);
    });

    it("ends with a signal that is sent, by its timeout, and with the caller's own", async () => {
      const process = sandbox.exec("trap 'echo bye; exit 7' TERM; echo up; while :; do sleep 0.1; done");
      for await (const line of process.stdout.lines()) {
        if (line === "up") await process.kill();
        else expect(line).toBe("bye");
      }
      expect(await process.wait()).toBe(7);
      const late = sandbox.exec("echo begun; sleep 60", { timeout: "1s" });
      await expect(late).rejects.toThrow(ExecTimeoutError);
      await expect(late).rejects.toMatchObject({ output: { exitCode: 137, stdout: "begun\n" } });
      const controller = new AbortController();
      const abandoned = sandbox.exec("echo $$ > /tmp/pid; exec sleep 600", { signal: controller.signal });
      await sandbox.exec("until [ -s /tmp/pid ]; do sleep 0.01; done");
      controller.abort(new Error("enough"));
      await expect(abandoned).rejects.toThrow("enough");
      expect(await sandbox.exec("while kill -0 $(cat /tmp/pid) 2>&-; do sleep 0.01; done; echo gone")).toMatchObject({ stdout: "gone\n" });
    });

    it("says what could not be started", async () => {
      await expect(sandbox.exec(["no-such-program"])).rejects.toThrow(InvalidError);
      await expect(sandbox.exec(["no-such-program"])).rejects.toThrow(/"no-such-program" could not be started/);
      await expect(sandbox.exec(["true"], { workdir: "/nowhere" })).rejects.toThrow(/nowhere/);
    });

    it("does many things at once", async () => {
      const results = await Promise.all(Array.from({ length: 50 }, (_, index) => sandbox.exec(["echo", String(index)])));
      expect(results.map(({ stdout }) => stdout.trim())).toEqual(results.map((_, index) => String(index)));
    });
  });

  describe("working with files", () => {
    it("writes, reads, lists, tells and removes", async () => {
      const { filesystem } = sandbox;
      await filesystem.writeText("/work/a/b.txt", "text ✓");
      expect(await filesystem.readText("/work/a/b.txt")).toBe("text ✓");
      await filesystem.writeText("/work/a/b.txt", "");
      expect(await filesystem.stat("/work/a/b.txt")).toMatchObject({ type: "file", size: 0, owner: "root", permissions: "0644" });
      await sandbox.exec("ln -s a/b.txt /work/link");
      expect((await filesystem.list("/work")).map(({ name, type, symlinkTarget }) => [name, type, symlinkTarget])).toEqual([
        ["a", "directory", undefined],
        ["link", "symlink", "a/b.txt"],
      ]);
      await filesystem.remove("/work", { recursive: true });
      expect(await filesystem.exists("/work")).toBe(false);
    });

    it("says what is wrong by the class of the error", async () => {
      const { filesystem } = sandbox;
      await filesystem.writeText("/e/file", "x");
      await expect(filesystem.readText("/e/none")).rejects.toThrow(SandboxFilesystemNotFoundError);
      await expect(filesystem.readText("/e")).rejects.toThrow(SandboxFilesystemIsADirectoryError);
      await expect(filesystem.list("/e/file")).rejects.toThrow(SandboxFilesystemNotADirectoryError);
      await expect(filesystem.writeText("/e/file/below", "x")).rejects.toThrow(SandboxFilesystemNotADirectoryError);
      await expect(filesystem.mkdir("/e/file", { parents: false })).rejects.toThrow(SandboxFilesystemPathAlreadyExistsError);
      await expect(filesystem.remove("/e")).rejects.toThrow(SandboxFilesystemDirectoryNotEmptyError);
    });

    it("moves large files in and out", async () => {
      const local = join(dataDir, "large.bin");
      const data = Buffer.alloc(20 << 20, "0123456789abcdef!");
      writeFileSync(local, data);
      await sandbox.filesystem.copyFromLocal(local, "/large.bin");
      await sandbox.filesystem.copyToLocal("/large.bin", join(dataDir, "back.bin"));
      expect(Buffer.compare(readFileSync(join(dataDir, "back.bin")), data)).toBe(0);
    });

    it("leaves a file as it was when the source breaks", async () => {
      await sandbox.filesystem.writeText("/kept", "before");
      const source = async function* () {
        yield "half";
        throw new Error("the source broke");
      };
      await expect(sandbox.filesystem.writeStream("/kept", source())).rejects.toThrow("the source broke");
      expect(await sandbox.filesystem.readText("/kept")).toBe("before");
      expect((await sandbox.filesystem.list("/")).filter(({ name }) => name.startsWith("kept") || name.includes("part"))).toHaveLength(1);
    });

    it("opens a file to append and seek", async () => {
      await sandbox.filesystem.writeText("/log", "one\n");
      {
        await using file = await sandbox.filesystem.open("/log", "a");
        await file.write("two\n");
      }
      expect((await sandbox.exec(["cat", "/log"])).stdout).toBe("one\ntwo\n");
    });

    it("tells of changes until the reader leaves", async () => {
      await sandbox.filesystem.mkdir("/watched");
      const seen: string[] = [];
      const events = sandbox.filesystem.watch("/watched", { filter: ["create"] })[Symbol.asyncIterator]();
      const first = events.next();
      // Nobody is told when a watch has begun: files are made until one is seen.
      const making = sandbox.exec("i=0; while [ ! -e /tmp/seen ]; do i=$((i+1)); : > /watched/$i; sleep 0.02; done");
      const { value } = await first;
      seen.push(value?.type ?? "", value?.paths[0]?.slice(0, 9) ?? "");
      await events.return?.(undefined);
      await sandbox.filesystem.writeText("/tmp/seen", "");
      await making;
      expect(seen).toEqual(["create", "/watched/"]);
    });
  });

  describe("keeping its state", () => {
    it("gives images of all its files and of a directory, to start from and to mount", async () => {
      await using first = await Sandbox.create({ app: "sdk" });
      await first.exec("mkdir /state; echo one > /state/file; echo two > /opt/file", { check: true });
      const whole = await first.snapshotFilesystem({ ttl: "1h" });
      const state = await first.snapshotDirectory("/state", { ttl: null });
      await first.exec("rm -r /state /opt/file", { check: true });
      // As another program would find it.
      const found = Image.fromId(whole.id ?? "");
      await using second = await Sandbox.create({ app: "sdk", image: found.env({ MORE: "yes" }) });
      expect((await second.exec("cat /state/file /opt/file; echo $MORE")).stdout).toBe("one\ntwo\nyes\n");
      await first.mountImage("/state", state);
      expect((await first.exec("cat /state/file; echo other > /state/file; cat /state/file")).stdout).toBe("one\nother\n");
      await second.mountImage("/mnt/state", state);
      expect((await second.exec("cat /mnt/state/file")).stdout).toBe("one\n");
      await first.unmountImage("/state");
      expect(await first.filesystem.list("/state")).toEqual([]);
      await first.mountImage("/empty");
      await first.filesystem.writeText("/empty/file", "written");
    });

    it("says what cannot be kept or mounted", async () => {
      await expect(sandbox.snapshotDirectory("/nowhere")).rejects.toThrow(/"\/nowhere" could not be kept.*No such file/);
      await expect(sandbox.snapshotFilesystem({ ttl: "4000d" })).rejects.toThrow(/A snapshot cannot last for 345600000 s/);
      await expect(sandbox.mountImage("/mnt", Image.fromId("im-none"))).rejects.toThrow(NotFoundError);
      await expect(sandbox.mountImage("/etc/passwd")).rejects.toThrow(/"\/etc\/passwd" could not be mounted.*Not a directory/);
      await expect(sandbox.unmountImage("/tmp")).rejects.toThrow(/nothing is mounted at \/tmp/);
    });
  });

  describe("living", () => {
    it("is found by its id, its name and its tags", async () => {
      await using named = await Sandbox.create({ app: "sdk", name: "worker", tags: { role: "test" }, command: ["sleep", "60"] });
      expect((await Sandbox.fromName("sdk", "worker")).id).toBe(named.id);
      expect((await (await Sandbox.fromId(named.id)).exec(["echo", "hi"])).stdout).toBe("hi\n");
      const found: string[] = [];
      for await (const { id } of Sandbox.list({ app: "sdk", tags: { role: "test" } })) found.push(id);
      expect(found).toEqual([named.id]);
      await named.setTags({ role: "other" });
      expect(await named.getTags()).toEqual({ role: "other" });
      await expect(Sandbox.create({ app: "sdk", name: "worker" })).rejects.toThrow(AlreadyExistsError);
      await expect(Sandbox.fromName("sdk", "nobody")).rejects.toThrow(NotFoundError);
    });

    it("runs a command that reads and prints, whose output outlives it", async () => {
      const cat = await Sandbox.create({ app: "sdk", command: ["sh", "-c", "cat; echo done >&2; exit 5"] });
      await cat.stdin.write("in ");
      await cat.stdin.end("and out");
      expect(await cat.wait()).toBe(5);
      expect(await cat.stdout.text()).toBe("in and out");
      expect(await (await Sandbox.fromId(cat.id)).stderr.text()).toBe("done\n");
      await expect(cat.exec(["true"])).rejects.toMatchObject({ code: expect.stringMatching(/not_found|failed_precondition/) });
    });

    it("stands still while it is paused, and goes on when it is needed or told to", async () => {
      const counting = sandbox.exec("i=0; while [ ! -e /tmp/enough ]; do i=$((i + 1)); echo $i; sleep 0.01; done");
      await counting.started();
      await sandbox.pause();
      await sandbox.pause();
      await sandbox.resume();
      await sandbox.pause();
      await sandbox.filesystem.writeText("/tmp/enough", "");
      expect(await counting.wait()).toBe(0);
    });

    it("ends when it is terminated, with its scope, and after its timeout", async () => {
      const first = await Sandbox.create({ app: "sdk" });
      expect(await first.poll()).toBeUndefined();
      expect(await first.terminate({ wait: true })).toBe(137);
      await expect(first.wait()).rejects.toThrow(SandboxTerminatedError);
      let id = "";
      {
        await using second = await Sandbox.create({ app: "sdk" });
        id = second.id;
      }
      expect(await (await Sandbox.fromId(id)).wait({ throwOnTermination: false })).toBe(137);
      await expect((await Sandbox.create({ app: "sdk", timeout: "1s" })).wait()).rejects.toThrow(SandboxTimeoutError);
    });
  });
});
