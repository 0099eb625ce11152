import { SESSION } from "@lydian/protocol";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { currentClient } from "./client.ts";
import { AuthError, InvalidError, LydianError } from "./errors.ts";
import { findSession, functionId, setSession } from "./session.ts";

const session = { serverUrl: "unix:///nowhere", environment: "main", appId: "ap-1", functionIds: { square: "fu-1", cube: "fu-2" } };

beforeEach(() => {
  // Neither a configuration nor an embedded server of whoever runs the tests.
  vi.stubEnv("LYDIAN_HOME", "/nowhere/lydian");
  for (const prefix of ["MODAL", "LYDIAN"])
    for (const name of ["SERVER_URL", "TOKEN_ID", "TOKEN_SECRET"]) vi.stubEnv(`${prefix}_${name}`, undefined);
});
afterEach(() => {
  setSession(undefined);
  vi.unstubAllEnvs();
});

describe("functionId", () => {
  it("is that of the running app", () => {
    setSession(session);
    expect(functionId("cube")).toBe("fu-2");
  });

  it("says what to do when no app runs", () => {
    expect(() => functionId("square")).toThrow(InvalidError);
    expect(() => functionId("square")).toThrow("square cannot be called: no app runs here.");
  });

  it("says which functions there are", () => {
    setSession(session);
    expect(() => functionId("other")).toThrow('The running app has no function "other"; it has: square, cube.');
    setSession({ ...session, functionIds: {} });
    expect(() => functionId("other")).toThrow("it has: none.");
  });

  it.each(["toString", "constructor", "__proto__"])("has no function %s that nobody defined", (name) => {
    setSession(session);
    expect(() => functionId(name)).toThrow(InvalidError);
  });

  it("is shared with other copies of the package", () => {
    setSession(session);
    expect((globalThis as Record<symbol, unknown>)[SESSION]).toBe(session);
    expect(findSession()).toBe(session);
  });
});

describe("currentClient", () => {
  it("is of the session, and the same one for as long", async () => {
    setSession(session);
    const client = currentClient();
    expect(client.serverUrl).toBe("unix:///nowhere");
    expect(currentClient()).toBe(client);
    await client.close();
  });

  it("is of the variables when no app runs; ours win", async () => {
    vi.stubEnv("MODAL_SERVER_URL", "http://127.0.0.1:1");
    vi.stubEnv("LYDIAN_SERVER_URL", "http://127.0.0.1:2");
    vi.stubEnv("MODAL_TOKEN_ID", "ak-1");
    vi.stubEnv("MODAL_TOKEN_SECRET", "as-1");
    const client = currentClient();
    expect(client).toMatchObject({ serverUrl: "http://127.0.0.1:2", token: { id: "ak-1", secret: "as-1" } });
    await client.close();
  });

  it("says how to name a server, and how to get credentials", () => {
    expect(() => currentClient()).toThrow("No server is known.");
    vi.stubEnv("MODAL_SERVER_URL", "http://127.0.0.1:1");
    vi.stubEnv("MODAL_TOKEN_ID", "ak-1");
    expect(() => currentClient()).toThrow(LydianError);
    expect(() => currentClient()).toThrow(AuthError);
    expect(() => currentClient()).toThrow("the server http://127.0.0.1:1 is configured (environment), but token_secret is not");
  });
});
