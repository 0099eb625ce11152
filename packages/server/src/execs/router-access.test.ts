import type { CallContext } from "@lydian/protocol";
import { describe, expect, it } from "vitest";
import type { Caller } from "../identity/caller.ts";
import { RouterTokens, routerUrl } from "./router-access.ts";

const url = (headers: Record<string, string>, transport: "tcp" | "unix" = "tcp") =>
  routerUrl({ headers, peer: { transport } } as unknown as CallContext<Caller>);

describe("the address of the command router", () => {
  it.each([
    ["8", "1.0.0", "127.0.0.1", "https://127.0.0.1:7777"],
    ["9", "1.0.0", "localhost", "https://localhost:7777"],
    ["1", "1.6.4", "localhost", "http://localhost:7777"],
    ["1", "1.5.5", "127.0.0.1", "http://127.0.0.1:7777"],
    ["1", "1.4.3", "127.0.0.1", "https://127.0.0.1:7777"],
    ["1", "1.6.4", "10.1.2.3", "https://10.1.2.3:7777"],
    ["1", "nonsense", "localhost", "http://localhost:7777"],
  ])("is one that a client of type %s and version %s at %s takes", (type, version, host, expected) => {
    const headers = { "x-modal-client-type": type, "x-modal-client-version": version, "x-modal-host": host };
    expect(url({ ...headers, ":authority": `${host}:7777` })).toBe(expected);
  });

  it("is the same connection for who came over a socket", () => {
    expect(url({ ":authority": "localhost" }, "unix")).toBe("");
  });

  it("is where the request came to, whatever strange names come with it", () => {
    expect(url({ "x-modal-host": "evil/../x", ":authority": "127.0.0.1:7777" })).toBe("http://127.0.0.1:7777");
  });
});

describe("tokens of the command router", () => {
  it("open one container of one workspace, until they expire", () => {
    let now = 1_000_000;
    const tokens = new RouterTokens(Buffer.alloc(32, 1), () => now);
    const jwt = tokens.issue("ta-1", "ac-1");
    expect(tokens.verify(`Bearer ${jwt}`)).toEqual({ taskId: "ta-1", workspaceId: "ac-1" });
    for (const wrong of [undefined, "", jwt, `Bearer ${jwt}x`, `Bearer ${jwt.replace(/^[^.]*/, "e30")}`])
      expect(() => tokens.verify(wrong)).toThrow("no token");
    expect(() => new RouterTokens(Buffer.alloc(32, 2)).verify(`Bearer ${jwt}`)).toThrow("no token");
    now += 3_600_001;
    expect(() => tokens.verify(`Bearer ${jwt}`)).toThrow("expired");
  });
});
