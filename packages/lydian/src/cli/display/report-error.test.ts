import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LydianError } from "@lydian/protocol";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { UsageError } from "../exit.ts";
import { renderError, renderException } from "./report-error.ts";
import { PLAIN } from "./style.ts";

describe("errors as text", () => {
  let root: string;
  beforeAll(() => {
    root = mkdtempSync(join(tmpdir(), "ly-report-"));
    writeFileSync(join(root, "app.ts"), "const a = 1;\nconst b = 2;\n  throw new RangeError();\nconst c = 3;\n");
  });
  afterAll(() => rmSync(root, { recursive: true }));
  const options = (debug = false) => ({ style: PLAIN, debug, root });

  it("shows a mistake as a sentence and a hint, without a stack", () => {
    expect(renderError(new UsageError("no such thing", "try this"), options())).toBe("lydian: no such thing\n  try this\n");
    expect(renderError(new LydianError("not_found", "no app", { hint: "make one" }), options())).toBe("lydian: no app\n  make one\n");
  });

  it("shows the stack of a mistake on request", () => {
    expect(renderError(new UsageError("no such thing"), options(true))).toContain("report-error.test.ts");
  });

  it("says that a fault of Lydian's is one", () => {
    expect(renderError(new LydianError("internal", "broken"), options())).toContain("fault of Lydian");
  });

  it("shows the line of the user's file that threw, relative paths included", () => {
    const cause = new TypeError("no table");
    cause.stack = "TypeError: no table";
    const error = new RangeError("too far", { cause });
    error.stack = `RangeError: too far\n    at find (app.ts:3:9)\n    at node:internal/process/task_queues:95:5\n    at ${root}/node_modules/x/index.js:1:1`;
    const text = renderException(error, options());
    expect(text).toContain("RangeError: too far");
    expect(text).toContain(`at ${join(root, "app.ts")}:3:9`);
    expect(text).toContain("> 3 |   throw new RangeError();");
    expect(text).toContain("caused by TypeError: no table");
    expect(text).not.toContain("node_modules/x");
    expect(text).not.toContain("task_queues");
  });

  it("has a sentence for something that is no error", () => {
    expect(renderException("oops", options())).toContain("no Error was thrown: oops");
  });
});
