import { create, FunctionSchema$ } from "@lydian/protocol";
import { expect, it } from "vitest";
import { fitsDisk } from "./plan.ts";

it("gives a standby container to functions of the same disk only: a smaller one cannot be set later either", () => {
  const fits = (ephemeralDiskMb: number) => fitsDisk(create(FunctionSchema$, { resources: { ephemeralDiskMb } }));
  expect([0, 10_240, 1_024, 20_480].map(fits)).toEqual([true, true, false, false]);
});
