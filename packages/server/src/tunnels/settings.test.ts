import { expect, it } from "vitest";
import { TunnelNames } from "./names.ts";
import { Places } from "./places.ts";
import { namesBelow, tunnelsSchema } from "./settings.ts";

const problems = (settings: object) =>
  (tunnelsSchema.safeParse(settings).error?.issues ?? []).map(({ path, message }) => `${path.join(".")}: ${message}`);

it.each([
  [{}, []],
  [{ domain: "*.T.example.com", port: 443, host: "0.0.0.0" }, []],
  [{ domain: "box.lan", host: "::" }, []],
  [{ domain: "192.0.2.7", host: "192.0.2.7" }, []],
  [{ domain: "a_b" }, [expect.stringContaining("domain: this is neither")]],
  [{ domain: "*.*.example.com" }, [expect.stringContaining("domain: this is neither")]],
  [{ domain: "a..b" }, [expect.stringContaining("domain: this is neither")]],
  [{ host: "box" }, ["host: this is no IP address"]],
  [{ host: "0.0.0.0" }, ["domain: tunnels that listen on 0.0.0.0 need the name by which clients reach this machine"]],
  [{ domain: "box.lan", port: 443 }, ['port: one port for all tunnels needs a domain like "*.tunnels.example.com"']],
  [{ publicPort: 443 }, ['publicPort: this needs a domain like "*.tunnels.example.com"']],
  [{ domain: "*.example.com", certificate: "/c.pem" }, ["certificate: a certificate and its key go together"]],
  [{ certificate: "/c.pem", key: "/k.pem" }, ["domain: a certificate needs the domain it is for"]],
  [{ ports: { from: 10, to: 9 } }, ["ports: the first of these ports is above the last"]],
])("judges %j", (settings, expected) => {
  expect(problems(settings)).toEqual(expected);
});

it("places tunnels by names, at one host, or on loopback addresses of their containers", () => {
  const places = (settings: object) => new Places(tunnelsSchema.parse(settings), new TunnelNames(Buffer.alloc(32, 1)));
  const named = places({ domain: "*.t.example.com" });
  expect(namesBelow(tunnelsSchema.parse({ domain: "*.t.example.com" }))).toBe("t.example.com");
  expect(named.host("ta-1", "80")).toMatch(/^[0-9a-f]{32}\.t\.example\.com$/);
  expect(named.host("ta-1", "80")).not.toBe(named.host("ta-1", "81"));
  expect(named.listenOn("ta-1")).toBe("127.0.0.1");
  const one = places({ domain: "box.lan", host: "0.0.0.0" });
  expect([one.host("ta-1", "80"), one.listenOn("ta-1")]).toEqual(["box.lan", "0.0.0.0"]);
  const own = places({});
  expect(own.host("ta-1", "80")).toBe(own.listenOn("ta-1"));
  if (process.platform === "linux") {
    expect(own.listenOn("ta-1")).toMatch(/^127\.[1-9]\d*\.\d+\.[1-9]\d*$/);
    expect(own.listenOn("ta-1")).not.toBe(own.listenOn("ta-2"));
  }
});

it("finds the same names and ports with the same key, and others with another", () => {
  const [names, again, others] = [1, 1, 2].map((byte) => new TunnelNames(Buffer.alloc(32, byte)));
  const range = { from: 20_000, to: 29_999 };
  expect(names?.label("ta-1", "80")).toBe(again?.label("ta-1", "80"));
  expect(names?.label("ta-1", "80")).not.toBe(others?.label("ta-1", "80"));
  expect(names?.firstPort("tls", range)).toBe(again?.firstPort("tls", range));
  expect(names?.firstPort("tls", { from: 7, to: 7 })).toBe(7);
});
