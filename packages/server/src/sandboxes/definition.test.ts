import { create, type MessageInitShape, NetworkAccess_NetworkAccessType as NetworkType, SandboxSchema } from "@lydian/protocol";
import { describe, expect, it } from "vitest";
import { resolveSandbox } from "./definition.ts";

const resolve = (definition: MessageInitShape<typeof SandboxSchema>) =>
  resolveSandbox(create(SandboxSchema, { imageId: "im-1", ...definition }));
const ports = (...list: { port: number; unencrypted?: boolean }[]) => ({
  openPortsOneof: { case: "openPorts" as const, value: { ports: list } },
});

describe("the definition of a sandbox", () => {
  it("has the clients' defaults", () => {
    expect(resolve({})).toMatchObject({ timeoutMs: 300_000, idleTimeoutMs: 0, command: [], network: "outbound", limits: {}, ports: [] });
  });

  it("takes a request of memory for the limit, and a limit where there is one", () => {
    expect(resolve({ resources: { memoryMb: 512, milliCpu: 500 } }).limits).toEqual({ memoryMiB: 512 });
    expect(resolve({ resources: { memoryMb: 512, memoryMbMax: 1024, milliCpuMax: 1500 } }).limits).toEqual({ memoryMiB: 1024, cpu: 1.5 });
  });

  it("has no network when that is blocked, or nothing is on the list of what may be reached", () => {
    expect(resolve({ blockNetwork: true }).network).toBe("blocked");
    expect(resolve({ networkAccess: { networkAccessType: NetworkType.BLOCKED } }).network).toBe("blocked");
    expect(resolve({ networkAccess: { networkAccessType: NetworkType.ALLOWLIST } }).network).toBe("blocked");
  });

  it("reaches what is on its list", () => {
    const list = (allowedCidrs: string[], allowedDomains: string[]) =>
      resolve({ networkAccess: { networkAccessType: NetworkType.ALLOWLIST, allowedCidrs, allowedDomains } }).network;
    const [cidrs, domains] = [
      ["203.0.113.0/24", "192.0.2.1", "2001:db8::/32"],
      ["example.com", "*.pypi.org"],
    ];
    expect(list(cidrs, domains)).toEqual({ cidrs, domains });
    for (const wrong of ["203.0.113.0/33", "example.com", "1.2.3", "", "1.2.3.4/24; drop"])
      expect(() => list([wrong], [])).toThrow(/Invalid CIDR \(outbound IPv4\)/);
    for (const wrong of ["a..b", "*.*.com", "-a.com", "a b.com"]) expect(() => list([], [wrong])).toThrow(/is not a domain/);
  });

  it("takes a probe of a port or of a command", () => {
    expect(resolve({ readinessProbe: { probeOneof: { case: "tcpPort", value: 80 } } }).readiness).toEqual({ intervalMs: 100, port: 80 });
    const argv = ["test", "-f", "/ready"];
    expect(resolve({ readinessProbe: { probeOneof: { case: "execCommand", value: { argv } }, intervalMs: 7 } }).readiness).toEqual({
      intervalMs: 7,
      argv,
    });
  });

  it.each<[string, MessageInitShape<typeof SandboxSchema>, RegExp]>([
    ["no image", { imageId: "" }, /needs an image/],
    ["a name with a space", { name: "a b" }, /"a b" is not a name of a sandbox/],
    ["a relative working directory", { workdir: "tmp" }, /"tmp".*must begin with "\/"/],
    ["a timeout of two days", { timeoutSecs: 172_800 }, /timeout \(s\) 172800; it must be from 1 to 86400/],
    ["too little memory", { resources: { memoryMb: 1 } }, /memory request \(MiB\) 1; it must be from 16/],
    ["a port that does not exist", ports({ port: 70_000 }), /port 70000/],
    ["a port twice", ports({ port: 80 }, { port: 80 }), /80 of a sandbox is opened twice/],
    ["a probe of nothing", { readinessProbe: {} }, /neither a port nor a command/],
    ["a zero byte in a command", { entrypointArgs: ["a\0b"] }, /zero byte/],
  ])("refuses %s", (_what, definition, message) => {
    expect(() => resolve(definition)).toThrow(message);
  });

  it.each<[string, MessageInitShape<typeof SandboxSchema>]>([
    ["GPUs", { resources: { gpuConfig: { count: 1 } } }],
    ["volumes", { volumeMounts: [{ volumeId: "vo-1", mountPath: "/x" }] }],
    ["proxies", { proxyId: "pr-1" }],
    ["choice of a cloud", { cloudProviderStr: "aws" }],
    ['the experimental option "enable_docker"', { experimentalOptionsV2: { enable_docker: "True" } }],
  ])("says that %s are not offered", (what, definition) => {
    expect(() => resolve(definition)).toThrow(new RegExp(`asks for ${what}, which this server does not offer yet`));
  });

  it("keeps the files at the end when that is asked for", () => {
    for (const value of ["true", "True"])
      expect(resolve({ experimentalOptionsV2: { enable_exit_snapshot: value, enable_docker: "False" } }).exitSnapshot).toBe(true);
    for (const experimentalOptionsV2 of [{}, { enable_exit_snapshot: "False" }])
      expect(resolve({ experimentalOptionsV2 }).exitSnapshot).toBe(false);
  });

  it("takes the empty GPU that the JavaScript client sends for none", () => {
    expect(resolve({ resources: { gpuConfig: {} } }).limits).toEqual({});
  });
});
