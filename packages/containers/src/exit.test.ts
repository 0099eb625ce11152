import { expect, it } from "vitest";
import { readExit } from "./exit.ts";

it.each([
  [{ code: 0 }, { code: 0, oomKilled: false }],
  [{ code: 128 }, { code: 128, oomKilled: false }],
  [{ code: 137 }, { signal: "SIGKILL", oomKilled: false }],
  [{ code: 130 }, { signal: "SIGINT", oomKilled: false }],
  [{ code: 134 }, { signal: "SIGABRT", oomKilled: false }],
  [{ code: 255 }, { code: 255, oomKilled: false }],
  [{ signal: "SIGTERM" }, { signal: "SIGTERM", oomKilled: false }],
])("reads %j", (exit, expected) => {
  expect(readExit(exit, false)).toEqual(expected);
});
