import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { asConfigKey, readConfig, setConfig, unsetConfig } from "./config-file.ts";
import { configuredTarget } from "./target.ts";

let dir: string;
let path: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "ly-config-"));
  path = join(dir, "new", "config.json");
});
afterEach(() => rmSync(dir, { recursive: true }));

describe("the configuration file", () => {
  it("is empty before it exists", () => {
    expect(readConfig(path)).toEqual({});
  });

  it("keeps what is set, readable by its owner only, and leaves no drafts", () => {
    setConfig(path, "server_url", "http://127.0.0.1:7800");
    setConfig(path, "token_id", "tk-1234");
    expect(readConfig(path)).toEqual({ server_url: "http://127.0.0.1:7800", token_id: "tk-1234" });
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readdirSync(join(dir, "new"))).toEqual(["config.json"]);
  });

  it("forgets what is unset", () => {
    setConfig(path, "environment", "dev");
    expect(unsetConfig(path, "environment")).toBe(true);
    expect(unsetConfig(path, "environment")).toBe(false);
    expect(readConfig(path)).toEqual({});
  });

  it("refuses values that cannot work and keys that do not exist", () => {
    expect(() => setConfig(path, "server_url", "localhost")).toThrow('"localhost" is not valid for server_url');
    expect(() => setConfig(path, "environment", "a b")).toThrow("environment");
    expect(() => asConfigKey("server")).toThrow('no setting "server"');
    expect(asConfigKey("server-url")).toBe("server_url");
  });

  it("never repeats a secret in an error", () => {
    expect(() => setConfig(path, "token_secret", "with space")).toThrow(/^the value is not valid/);
  });

  it("names a broken file", () => {
    const broken = join(dir, "broken.json");
    writeFileSync(broken, "{");
    expect(() => readConfig(broken)).toThrow(broken);
    writeFileSync(broken, "[]");
    expect(() => readConfig(broken)).toThrow("JSON object");
  });
});

describe("which server a command means", () => {
  const token = { MODAL_TOKEN_ID: "id1", MODAL_TOKEN_SECRET: "secret1" };

  it("is the embedded one when nothing is configured", () => {
    expect(configuredTarget(undefined, {}, {})).toEqual({ server: undefined, environment: "main" });
  });

  it("prefers variables over the file, and our names over Modal's", () => {
    const env = { ...token, MODAL_SERVER_URL: "http://b:1", LYDIAN_SERVER_URL: "http://a:1" };
    const target = configuredTarget(undefined, env, { server_url: "http://c:1" });
    expect(target.server).toEqual({ serverUrl: "http://a:1", token: { id: "id1", secret: "secret1" }, source: "environment" });
  });

  it("takes the environment from the flag, then the variable, then the file", () => {
    const env = { LYDIAN_ENVIRONMENT: "from-variable" };
    expect(configuredTarget("from-flag", env, {}).environment).toBe("from-flag");
    expect(configuredTarget(undefined, env, { environment: "from-file" }).environment).toBe("from-variable");
    expect(configuredTarget(undefined, {}, { environment: "from-file" }).environment).toBe("from-file");
  });

  it("names what is missing when a server has no token", () => {
    expect(() => configuredTarget(undefined, { MODAL_TOKEN_ID: "id1" }, { server_url: "http://c:1" })).toThrow("but token_secret is not");
  });
});
