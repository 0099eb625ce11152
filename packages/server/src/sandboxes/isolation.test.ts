import { expect, it } from "vitest";
import { isolationOf } from "./isolation.ts";

it("gives a sandbox a user namespace where that can be, and gVisor where it asks for it or nothing weaker starts", () => {
  expect(isolationOf("", { isolations: ["namespaces", "user-namespace", "gvisor"] })).toBe("user-namespace");
  expect(isolationOf("", { isolations: ["namespaces"] })).toBe("namespaces");
  expect(isolationOf("", { isolations: ["gvisor"] })).toBe("gvisor");
  expect(isolationOf("gvisor", { isolations: ["namespaces", "gvisor"] })).toBe("gvisor");
});

it("refuses a sandbox that asks for gVisor where there is none", () => {
  expect(() => isolationOf("gvisor", { isolations: ["namespaces", "user-namespace"] })).toThrow(
    'asks for the runtime "gvisor", which this server does not have. It has: namespaces, user-namespace.',
  );
});
