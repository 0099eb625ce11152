import type { RegisteredApp, RegisteredFunction } from "@lydian/protocol";
import { describe, expect, it } from "vitest";
import { pickApp } from "./pick-app.ts";

const fn: RegisteredFunction = {
  kind: "function",
  name: "f",
  file: undefined,
  options: {},
  handler: () => 0,
  isGenerator: false,
  handle: {},
};
const app = (name: string | undefined, ...registered: RegisteredApp["registered"]): RegisteredApp => ({ name, options: {}, registered });

describe("what lydian deploy picks", () => {
  it("is the only app with functions, or the one of the name", () => {
    const [one, two, empty] = [app("one", fn), app("two", fn), app("empty")];
    expect(pickApp({ apps: [empty, one], exports: {} }, undefined, "x.ts")).toBe(one);
    expect(pickApp({ apps: [one, two], exports: {} }, "two", "x.ts")).toBe(two);
    expect(pickApp({ apps: [one, two], exports: { second: two } }, "second", "x.ts")).toBe(two);
  });

  it.each<[string, RegisteredApp[], string | undefined, RegExp, RegExp]>([
    ["no app", [], undefined, /defines no app/, /new App/],
    ["several apps", [app("one", fn), app("two", fn)], undefined, /2 apps, say which/, /one, two/],
    ["another name", [app("one", fn)], "two", /no app "two"/, /There is: one/],
    ["nothing to call", [app("one")], undefined, /nothing to deploy/, /app\.function/],
    ["nothing to call under the name", [app("one"), app("two", fn)], "one", /nothing to deploy/, /app\.function/],
  ])("says what there is for %s", (_, apps, name, message, hint) => {
    expect(() => pickApp({ apps, exports: {} }, name, "x.ts")).toThrow(
      expect.objectContaining({ message: expect.stringMatching(message), hint: expect.stringMatching(hint) }),
    );
  });
});
