import { expect, it } from "vitest";
import { headersInside, headersOutside, tokenOf, urlInside } from "./connect-headers.ts";
import { ConnectTokens } from "./connect-tokens.ts";

const tokens = new ConnectTokens(Buffer.alloc(32, 1));
const right = { ownerId: "ta-1", port: 8080, metadata: "" };
const request = (rawHeaders: readonly string[], url = "/") => ({ rawHeaders, url, remoteAddress: "192.0.2.1" });

it("issues tokens that only it takes, as they were issued", () => {
  const token = tokens.issue({ ownerId: "ta-1", port: undefined, metadata: '{"user":"ü"}' });
  expect(tokens.verify(token)).toEqual({ ownerId: "ta-1", port: 8080, metadata: '{"user":"ü"}' });
  const [head = "", seal = ""] = token.split(".");
  const forged = `ct-${Buffer.from('["ta-2",8080,""]').toString("base64url")}`;
  for (const wrong of ["", "ct-.", head, `${forged}.${seal}`, `${token}x`, token.slice(0, -1)])
    expect(tokens.verify(wrong)).toBeUndefined();
  expect(new ConnectTokens(Buffer.alloc(32, 2)).verify(token)).toBeUndefined();
});

it("refuses metadata that a header cannot carry", () => {
  const issue = (metadata: string, port?: number) => tokens.issue({ ownerId: "ta-1", port, metadata });
  expect(() => issue("a\r\nX-Admin: yes")).toThrow(/line break or another control character/);
  expect(() => issue("x".repeat(1_025))).toThrow("has 1025 bytes; it may have 1024");
  expect(() => issue("", 70_000)).toThrow("it must be from 1 to 65535");
});

it("finds the token in the header, the query or a cookie, in this order", () => {
  const [header, cookie] = [
    ["Authorization", "bearer h"],
    ["Cookie", "a=b; _modal_connect_token=c"],
  ];
  const url = "/?x=1&_modal_connect_token=q";
  expect(tokenOf(request([...header, ...cookie], url))).toEqual({ token: "h", from: "header" });
  expect(tokenOf(request(["Authorization", "Basic eDp5", ...cookie], url))).toEqual({ token: "q", from: "query" });
  expect(tokenOf(request(cookie))).toEqual({ token: "c", from: "cookie" });
  expect(tokenOf(request(["Cookie", "my_modal_connect_token=c"], "/?my_modal_connect_token=q"))).toBeUndefined();
});

it("tells the program what the token says, and nothing else in its name", () => {
  const raw = [
    ...["Host", "t.example", "Authorization", "Bearer h", "x-verified-user-data", "forged", "X_Verified_User_Data", "forged"],
    ...["Cookie", "a=b; _modal_connect_token=c; d=e", "Connection", "keep-alive, X-Hop", "X-Hop", "1", "Accept", "*/*"],
    ...["X-Forwarded-For", "10.0.0.1", "Transfer-Encoding", "chunked"],
  ];
  const found = { token: "h", from: "header" } as const;
  expect(headersInside(request(raw), found, { ...right, metadata: "ü" }, false)).toEqual([
    ...["Host", "t.example", "Cookie", "a=b; d=e", "Accept", "*/*", "X-Forwarded-For", "192.0.2.1", "X-Forwarded-Proto", "https"],
    ...["X-Forwarded-Host", "t.example", "X-Verified-User-Data", Buffer.from("ü").toString("latin1")],
  ]);
  const basic = ["Authorization", "Basic eDp5"];
  expect(headersInside(request(basic), { token: "q", from: "query" }, right, false).slice(0, 2)).toEqual(basic);
  const upgrade = ["Connection", "Upgrade", "Upgrade", "websocket"];
  expect(headersInside(request(upgrade), found, right, true).slice(0, 4)).toEqual(upgrade);
  expect(headersOutside(["Connection", "close", "Content-Type", "text/plain", "Transfer-Encoding", "chunked"])).toEqual([
    "Content-Type",
    "text/plain",
  ]);
});

it("takes the token out of the URL", () => {
  expect(urlInside("/a")).toBe("/a");
  expect(urlInside("/a?_modal_connect_token=q")).toBe("/a");
  expect(urlInside("/a?x=1&_modal_connect_token=q&y=2?z")).toBe("/a?x=1&y=2?z");
});
