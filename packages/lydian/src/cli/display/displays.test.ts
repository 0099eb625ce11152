import { ContainerStartedSchema, create, PoolStateSchema } from "@lydian/protocol";
import { describe, expect, it } from "vitest";
import type { RunEvent } from "../../run/start-app.ts";
import { JsonDisplay } from "./json-display.ts";
import { LiveDisplay } from "./live-display.ts";
import { PlainDisplay } from "./plain-display.ts";
import { Progress } from "./progress.ts";
import { statusLines } from "./status-lines.ts";
import { PLAIN } from "./style.ts";
import { TestTerminal } from "./test-terminal.ts";

class Sink {
  text = "";
  write(text: string): boolean {
    this.text += text;
    return true;
  }
}

function pools(
  finished: number,
  rest: Partial<{ backlog: number; running: number; starting: number; ready: number; reason: string }> = {},
): RunEvent {
  const pool = create(PoolStateSchema, {
    functionId: "fu-1",
    functionName: "square",
    finishedInputs: BigInt(finished),
    backlog: rest.backlog ?? 0,
    runningInputs: rest.running ?? 0,
    startingContainers: rest.starting ?? 0,
    readyContainers: rest.ready ?? 1,
    waitingReason: rest.reason ?? "",
  });
  return { type: "pools", pools: [pool], started: [] };
}

const log = (fd: 1 | 2 | 3, text: string): RunEvent => ({ type: "log", fd, text, taskId: "ta-1", functionId: "fu-1" });

describe("progress", () => {
  it("counts and measures the rate over the last seconds only", () => {
    const progress = new Progress();
    progress.apply(pools(0, { backlog: 100 }), 0);
    progress.apply(pools(0, { backlog: 100 }), 60_000);
    progress.apply(pools(20, { backlog: 70, running: 10 }), 62_000);
    const [it] = progress.functions(62_000);
    expect(it).toMatchObject({ name: "square", finished: 20, waiting: 70, running: 10 });
    expect(it?.ratePerSecond).toBeCloseTo(4);
    expect(progress.functions(70_000)[0]?.ratePerSecond).toBe(0);
  });

  it("shows an image with its last line until it is ready", () => {
    const progress = new Progress();
    progress.apply({ type: "image-log", imageId: "im-1", text: "Step 1\nStep 2\n" }, 0);
    const lines = statusLines({ progress, now: 2000, columns: 60, style: PLAIN });
    expect(lines[0]).toMatch(/building image \(2\.0 s\)\s+Step 2$/);
    progress.apply({ type: "image-ready", imageId: "im-1", cached: false, ms: 2000 }, 2000);
    expect(statusLines({ progress, now: 2000, columns: 60, style: PLAIN })).toEqual([]);
  });

  it("says why inputs wait, and never exceeds the width", () => {
    const progress = new Progress();
    progress.apply(pools(1, { backlog: 3, starting: 1, ready: 0, reason: `no capacity ${"x".repeat(200)}` }), 0);
    const lines = statusLines({ progress, now: 0, columns: 50, style: PLAIN });
    expect(lines[0]).toContain("1/4");
    expect(lines[1]).toContain("waiting: no capacity");
    for (const line of lines) expect([...line].length).toBeLessThan(50);
  });
});

describe("the plain display", () => {
  function open(quiet = false) {
    const stdout = new Sink();
    const stderr = new Sink();
    let now = 0;
    const display = new PlainDisplay({ streams: { stdout, stderr }, quiet, json: false, now: () => now });
    return {
      stdout,
      stderr,
      display,
      at: (ms: number) => {
        now = ms;
      },
    };
  }

  it("passes what containers print to the stream it was printed to, unchanged", () => {
    const { display, stdout, stderr } = open();
    display.event(log(1, "out"));
    display.event(log(2, "err\n"));
    expect(stdout.text).toBe("out");
    expect(stderr.text).toBe("err\n");
  });

  it("says on stderr when a container is ready and where its start went", () => {
    const { display, stderr } = open();
    const started = create(ContainerStartedSchema, {
      taskId: "ta-1",
      functionId: "fu-1",
      stageMs: { import: 20, queue: 1, boot: 60, create: 30 },
    });
    display.event({ ...pools(0), started: [started] } as RunEvent);
    expect(stderr.text).toBe("lydian: container ta-1 of square is ready after 111 ms (queue 1, create 30, boot 60, import 20)\n");
  });

  it("tells progress every few seconds while it moves", () => {
    const { display, stderr, at } = open();
    display.event(pools(0, { backlog: 10 }));
    at(1000);
    display.event(pools(1, { backlog: 9 }));
    expect(stderr.text).toBe("");
    at(6000);
    display.event(pools(5, { backlog: 4, running: 1 }));
    expect(stderr.text).toMatch(/^lydian: square: 5 of 10 done, 1 running, .* 1 containers\n$/);
  });

  it("says nothing of its own when it is to be quiet", () => {
    const { display, stdout, stderr } = open(true);
    display.status("starting");
    display.event({ type: "image-log", imageId: "im-1", text: "Step 1" });
    display.event(log(1, "out"));
    display.result({ a: 1 });
    expect(stdout.text).toBe("out{ a: 1 }\n");
    expect(stderr.text).toBe("");
  });
});

describe("the JSON display", () => {
  it("prints one event a line and keeps stdout for them", () => {
    const stdout = new Sink();
    const stderr = new Sink();
    const display = new JsonDisplay({ streams: { stdout, stderr }, quiet: false, json: true, now: () => 0 });
    display.event(pools(3));
    stdout.write("printed by the program\n");
    display.result(10n);
    display.close();
    const events = stdout.text
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(events.map((event) => event.type)).toEqual(["pools", "result"]);
    expect(events[1]?.value).toBe("10");
    expect(stderr.text).toBe("printed by the program\n");
  });
});

describe("the live display", () => {
  it("keeps the program's output above the region and leaves only it", () => {
    const terminal = new TestTerminal(60);
    const write = terminal.write;
    const streams = { stdout: terminal, stderr: terminal };
    const display = new LiveDisplay({ streams, quiet: false, json: false, now: () => 0 });
    display.event(pools(1, { backlog: 1 }));
    display.redraw();
    display.event(log(1, "from a container\n"));
    terminal.write("from the entrypoint\n");
    expect(terminal.screen().slice(0, 2)).toEqual(["from a container", "from the entrypoint"]);
    expect(terminal.screen()[2]).toContain("1/2");
    display.close();
    expect(terminal.screen()).toEqual(["from a container", "from the entrypoint"]);
    expect(terminal.write).toBe(write);
  });
});
