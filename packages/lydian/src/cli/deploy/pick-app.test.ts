import type { RegisteredApp } from "@lydian/protocol";
import { describe, expect, it } from "vitest";
import { UsageError } from "../exit.ts";
import { deploymentName, pickApp } from "./pick-app.ts";

const app = (name?: string): RegisteredApp => ({ name, options: {}, registered: [] });
const [first, second, unnamed] = [app("first"), app("second"), app()];
const both = { apps: [first, second], exports: { main: first, second } };

function problem(work: () => unknown): UsageError {
  try {
    work();
  } catch (error) {
    if (error instanceof UsageError) return error;
  }
  throw new Error("no UsageError");
}

describe("which app is deployed", () => {
  it("is the only one, exported or not", () => {
    expect(pickApp({ apps: [first], exports: {} }, undefined, "a.ts")).toBe(first);
  });

  it("is the one that is named, by its export or its name", () => {
    expect(pickApp(both, "main", "a.ts")).toBe(first);
    expect(pickApp(both, "first", "a.ts")).toBe(first);
  });

  it("is, of several, the one exported as `app`", () => {
    expect(pickApp({ apps: [first, second], exports: { app: second } }, undefined, "a.ts")).toBe(second);
  });

  it("is asked for, with what there is, when it is not clear", () => {
    const error = problem(() => pickApp(both, undefined, "a.ts"));
    expect(error.message).toBe("a.ts defines 2 apps, say which");
    expect(error.hint).toBe("There is:\n  lydian deploy a.ts::main\n  lydian deploy a.ts::second");
    expect(problem(() => pickApp(both, "third", "a.ts")).message).toBe('a.ts has no app "third"');
    expect(problem(() => pickApp({ apps: [], exports: {} }, undefined, "a.ts")).message).toBe("a.ts defines no app");
  });
});

describe("the name of a deployment", () => {
  it("is the given one, else that of the app", () => {
    expect(deploymentName(first, undefined)).toBe("first");
    expect(deploymentName(first, "other")).toBe("other");
    expect(problem(() => deploymentName(unnamed, undefined)).hint).toContain("--name NAME");
  });

  it.each(["", "a b", "x".repeat(65)])("cannot be %j", (name) => {
    expect(problem(() => deploymentName(first, name)).message).toBe(`"${name}" is not a name of a deployment`);
  });
});
