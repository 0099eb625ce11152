import { describe, expect, it } from "vitest";
import { LiveRegion } from "./live-region.ts";
import { TestTerminal } from "./test-terminal.ts";

function open(columns = 40) {
  const terminal = new TestTerminal(columns);
  const region = new LiveRegion(terminal);
  return { terminal, region, print: (text: string) => region.print(text, (it) => terminal.write(it)) };
}

describe("the live region", () => {
  it("redraws in place", () => {
    const { terminal, region } = open();
    region.draw(["one", "two"]);
    region.draw(["three"]);
    expect(terminal.screen()).toEqual(["three"]);
  });

  it("stays below what is printed", () => {
    const { terminal, region, print } = open();
    print("first\n");
    region.draw(["status"]);
    print("second\nthird\n");
    region.draw(["status 2"]);
    expect(terminal.screen()).toEqual(["first", "second", "third", "status 2"]);
  });

  it("continues an unfinished line where it ended", () => {
    const { terminal, region, print } = open();
    region.draw(["status"]);
    print("working");
    region.draw(["status", "more"]);
    print("..");
    print(" done\n");
    expect(terminal.screen()).toEqual(["working.. done", "status", "more"]);
  });

  it("leaves nothing behind", () => {
    const { terminal, region, print } = open();
    region.draw(["a", "b", "c"]);
    print("kept\n");
    region.clear();
    expect(terminal.screen()).toEqual(["kept"]);
  });

  it("writes nothing when nothing has changed", () => {
    const { terminal, region } = open();
    region.draw(["same"]);
    const { length } = terminal.written;
    region.draw(["same"]);
    expect(terminal.written.length).toBe(length);
  });
});
