// What every container host must do that can copy directories out of running containers, and mount some into them.

import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { lstat, mkdir, mkdtemp, readdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "vitest";
import type { Container, ContainerSpec } from "../host.ts";
import type { Bench, Needs } from "./contract.ts";

/** A container that runs what is written to it, and answers with what that printed. */
async function shell(
  bench: Bench,
  more: Partial<ContainerSpec> = {},
): Promise<{ container: Container; run(line: string): Promise<string> }> {
  const dir = await mkdtemp(join(bench.dir, "shell-"));
  const loop =
    "i=0; echo up; while :; do while [ ! -e /run/go/$i ]; do sleep 0.01; done; (. /run/go/$i) 2>&1; echo end-$i; i=$((i+1)); done";
  const binds = [{ source: dir, target: "/run/go", readOnly: true }];
  const container = await bench.host.start(bench.shell(loop, { ...more, binds: [...binds, ...(more.binds ?? [])] }));
  const output = container.output[Symbol.asyncIterator]();
  let text = "";
  const until = async (wanted: string) => {
    while (!text.includes(wanted)) {
      const chunk = await output.next();
      if (chunk.done === true) throw new Error(`The container ended: ${text}`);
      text += Buffer.from(chunk.value.data).toString();
    }
    const found = text.slice(0, text.indexOf(wanted));
    text = text.slice(text.indexOf(wanted) + wanted.length);
    return found;
  };
  await until("up\n");
  let next = 0;
  return {
    container,
    async run(line) {
      await writeFile(join(dir, "new"), line);
      await rename(join(dir, "new"), join(dir, String(next)));
      return until(`end-${next++}\n`);
    },
  };
}

const text = (path: string) => readFile(path, "utf8");

export function directoriesContract(bench: Bench, needs: Needs): void {
  let next = 0;
  const target = () => join(bench.dir, `copy-${next++}`, "layer");
  const rest = () => [join(bench.dir, "root")];

  needs("snapshots", "copies what a running container has changed, deletions included, and lets it go on", async () => {
    const base = join(bench.dir, `base-${next++}`);
    await mkdir(join(base, "old/below"), { recursive: true });
    for (const name of ["old/below/file", "old/gone", "plain"]) await writeFile(join(base, name), "base\n");
    const { container, run } = await shell(bench, { layers: [base, ...rest()] });
    await run(
      "rm /old/gone; rm /old/below/file; rmdir /old/below; mkdir /old/below; echo new >/old/below/other; echo x >/a; ln /a /b; ln -s /a /c; chmod 4751 /a; mkfifo /fifo; rm /plain; head -c 5000000 /dev/zero >/sparse",
    );
    const layer = target();
    await bench.host.commit(container, layer);
    expect(await run("echo on")).toBe("on\n");
    await container.pause();
    await bench.host.commit(container, target());
    await container.resume();
    expect(await run("echo on")).toBe("on\n");
    await container.remove();
    const a = await lstat(join(layer, "a"));
    expect(a.mode & 0o7777).toBe(0o4751);
    expect((await lstat(join(layer, "b"))).ino).toBe(a.ino);
    const { stdout } = await bench.run("ls /old /old/below; ls /plain 2>/dev/null; cat /c; stat -c '%F %s' /fifo /sparse", {
      layers: [layer, base, ...rest()],
    });
    expect(stdout).toBe("/old:\nbelow\n\n/old/below:\nother\nx\nfifo 0\nregular file 5000000\n");
  });

  needs("snapshots", "copies a directory as the container sees it, through links and mounts that stay inside", async () => {
    const volume = join(bench.dir, `volume-${next++}`);
    await mkdir(join(volume, "kept"), { recursive: true });
    await writeFile(join(volume, "kept/file"), "volume\n");
    const { container, run } = await shell(bench, { binds: [{ source: volume, target: "/data/volume", readOnly: true }] });
    await run(
      "mkdir -p /data/real/sub; echo hi >/data/real/sub/f; ln -s /data/real /link; ln -s / /data/real/out; ln -s ../../../../../../etc /up",
    );
    const through = target();
    await bench.host.commit(container, through, { directory: "/link/" });
    expect(await text(join(through, "sub/f"))).toBe("hi\n");
    // A link is copied as a link, never followed.
    expect((await lstat(join(through, "out"))).isSymbolicLink()).toBe(true);
    const etc = target();
    await bench.host.commit(container, etc, { directory: "/up" });
    // The container's, not the machine's.
    expect(await text(join(etc, "passwd"))).toBe("root:x:0:0:root:/:/bin/sh\n");
    const mounted = target();
    await bench.host.commit(container, mounted, { directory: "/data/volume/kept" });
    expect(await text(join(mounted, "file"))).toBe("volume\n");
    // What is mounted below is another's.
    const above = target();
    await bench.host.commit(container, above, { directory: "/data" });
    expect(await readdir(above)).toEqual(["real", "volume"]);
    expect(await readdir(join(above, "volume"))).toEqual([]);
    const devices = target();
    await bench.host.commit(container, devices, { directory: "/dev" });
    expect((await readdir(devices)).filter((name) => ["null", "zero", "tty"].includes(name))).toEqual([]);
    await container.remove();
  });

  needs("snapshots", "leaves nothing of a copy that failed, and says why", async () => {
    const { container, run } = await shell(bench, { limits: { diskMiB: 16 } });
    await run("echo x >/file; i=0; mkdir /big; while [ $i -lt 6 ]; do head -c 2000000 /dev/zero >/big/$i; i=$((i+1)); done");
    const layer = target();
    const refused = async (directory: string, reason: RegExp) => {
      await expect(bench.host.commit(container, layer, { directory })).rejects.toThrow(reason);
      expect(existsSync(layer)).toBe(false);
      expect(await readdir(join(layer, "..")).catch(() => [])).toEqual([]);
    };
    await refused("/nowhere", /The directory \/nowhere of container .* could not be copied: \/nowhere: No such file/);
    await refused("/file", /Not a directory/);
    await refused("/proc/self/root", /could not be copied/);
    await refused("/proc/1", /file system of the kernel/);
    await refused("relative", /must be an absolute path/);
    await refused("/usr", /No such|holds more than 16 MiB/);
    await refused("/", /holds more than 16 MiB/);
    expect(await run("echo on")).toBe("on\n");
    await container.stop(0);
    await expect(bench.host.commit(container, layer, { directory: "/big" })).rejects.toThrow("has ended");
    await expect(bench.host.commit(container, layer)).rejects.toThrow("was not started with keepWritableLayer");
    await container.remove();
  });

  needs("mounts", "mounts layers and an empty directory into a running container, writable, and takes them away again", async () => {
    const [top, base] = [join(bench.dir, `m-${next++}`), join(bench.dir, `m-${next++}`)];
    await mkdir(top);
    await mkdir(join(base, "dir"), { recursive: true });
    await writeFile(join(top, "both"), "top\n");
    await writeFile(join(base, "both"), "base\n");
    await writeFile(join(base, "dir/below"), "base\n");
    execFileSync("chmod", ["1777", top]);
    const { container, run } = await shell(bench);
    expect(await run("echo hidden >/data/old; ls /data")).toBe("old\n");
    await container.mount("/data", [top, base]);
    expect(await run("cat /data/both /data/dir/below; ls /data; stat -c %a /data; echo mine >/data/new; rm /data/both; ls /data")).toBe(
      "top\nbase\nboth\ndir\n1777\ndir\nnew\n",
    );
    expect(await text(join(top, "both"))).toBe("top\n");
    await container.mount("/made/for/it", []);
    expect(await run("ls /made/for/it; echo y >/made/for/it/f; cat /made/for/it/f")).toBe("y\n");
    // What was written there can be kept, and is no change of the image.
    const kept = target();
    await bench.host.commit(container, kept, { directory: "/data" });
    expect(await readdir(kept)).toEqual(["dir", "new"]);
    const changes = target();
    await bench.host.commit(container, changes);
    expect(await readdir(join(changes, "data"))).toEqual(["old"]);
    await container.unmount("/data");
    expect(await run("ls /data")).toBe("old\n");
    // Busy: a process has its working directory there.
    await run("cd /made/for/it && sleep 1000 >/dev/null 2>&1 &");
    await container.unmount("/made/for/it");
    expect(await run("ls /made/for/it")).toBe("");
    await container.mount("/data", [kept]);
    expect(await run("cat /data/new")).toBe("mine\n");
    await expect(container.unmount("/made/for/it")).rejects.toThrow("nothing is mounted at /made/for/it");
    await container.remove();
  });

  needs("mounts", "mounts nowhere but inside, whatever links say, and takes away nothing else", async () => {
    const { container, run } = await shell(bench);
    await run(
      "ln -s /proc /p; ln -s /proc/1/root /r; ln -s / /s; ln -s ../../../../../../../../var/tmp/out /up; ln -s /nowhere /dangling; echo x >/file; mkdir -p /var/tmp/out",
    );
    for (const path of ["/proc/x", "/p", "/p/sys", "/sys/fs", "/dev/mqueue"]) {
      await expect(container.mount(path, [])).rejects.toThrow(/file system of the kernel/);
    }
    for (const path of ["/", "/s", "/a/../.."]) await expect(container.mount(path, [])).rejects.toThrow(/is the root directory/);
    for (const path of ["/r/x", "/dangling/x", "/file", "/file/x", "x", "/a\0b"]) {
      await expect(container.mount(path, [])).rejects.toThrow(/Nothing could be mounted/);
    }
    await expect(container.mount("/x", [join(bench.dir, "no-layer")])).rejects.toThrow("is not a directory");
    await container.mount("/up", []);
    expect(await run("echo in >/up/f; cat /var/tmp/out/f")).toBe("in\n");
    expect(existsSync("/var/tmp/out")).toBe(false);
    for (const path of ["/proc", "/dev/shm", "/run/go", "/etc", "/"]) {
      await expect(container.unmount(path)).rejects.toThrow(/nothing is mounted|was not mounted into it/);
    }
    await container.unmount("/up");
    expect(await run("ls /up")).toBe("");
    await container.remove();
    await expect(container.mount("/x", [])).rejects.toThrow("has ended");
  });

  needs("diskLimit", "counts what is written to mounts as the container's, and frees it", async () => {
    if (!bench.host.features.mounts) return;
    const { container, run } = await shell(bench, { limits: { diskMiB: 24 } });
    for (let round = 0; round < 3; round++) {
      await container.mount("/m", []);
      expect(await run("head -c 14000000 /dev/zero >/m/f && echo fits; head -c 14000000 /dev/zero >/m/g && echo fits")).toMatch(
        /^fits\nhead: .*No space left/,
      );
      await container.unmount("/m");
    }
    await container.remove();
  });
}
