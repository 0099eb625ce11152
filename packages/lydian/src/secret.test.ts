import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { App } from "./app.ts";
import { InvalidError } from "./errors.ts";
import { type FunctionOptions, resolveOptions } from "./options.ts";
import { Secret } from "./secret.ts";

const dir = mkdtempSync(join(tmpdir(), "lydian-secret-"));
afterEach(() => {
  delete process.env.LYDIAN_TEST_A;
});

const variables = ({ source }: Secret) => (source.kind === "variables" ? source.read() : undefined);

describe("a secret", () => {
  it("of an object leaves out what has no value", () => {
    expect(variables(Secret.fromObject({ A: "1", B: undefined, C: null, D: "" }))).toEqual({ A: "1", D: "" });
  });

  it("of an object refuses what is no string, without showing it", () => {
    const make = () => Secret.fromObject({ PASSWORD: 123456 as never });
    expect(make).toThrow(InvalidError);
    expect(make).toThrow(/PASSWORD is of type number/);
    expect(make).not.toThrow(/123456/);
  });

  it("of a file reads it when it is needed, not before", () => {
    const path = join(dir, ".env");
    const secret = Secret.fromDotenv(path);
    expect(() => variables(secret)).toThrow(/cannot be read/);
    writeFileSync(path, 'A=1\n# a comment\nB="two words"\nexport C=3\n');
    expect(variables(secret)).toEqual({ A: "1", B: "two words", C: "3" });
    rmSync(dir, { recursive: true });
  });

  it("of the environment names what is not set", () => {
    process.env.LYDIAN_TEST_A = "a";
    expect(variables(Secret.fromLocalEnv(["LYDIAN_TEST_A"]))).toEqual({ LYDIAN_TEST_A: "a" });
    expect(() => variables(Secret.fromLocalEnv(["LYDIAN_TEST_A", "LYDIAN_TEST_B"]))).toThrow("Not set in this environment: LYDIAN_TEST_B.");
  });

  it("by name has one", () => {
    expect(Secret.fromName("db", { requiredKeys: ["URL"] }).source).toEqual({
      kind: "name",
      name: "db",
      requiredKeys: ["URL"],
      environment: undefined,
    });
    expect(Secret.fromName("db").name).toBe("db");
    expect(() => Secret.fromName("")).toThrow(InvalidError);
  });

  it("without a name cannot be changed or looked up, and a value that is no string is not shown", async () => {
    await expect(Secret.fromObject({ A: "1" }).update({ A: "2" })).rejects.toThrow("belongs to its app and cannot be updated");
    await expect(Secret.fromObject({ A: "1" }).info()).rejects.toThrow(InvalidError);
    for (const make of [
      () => Secret.fromName("db").update({ PASSWORD: 123456 as never }),
      () => Secret.objects.create("db", { PASSWORD: 123456 as never }),
    ]) {
      await expect(make()).rejects.toThrow(/^The value of PASSWORD is of type number;(?!.*123456)/);
    }
  });

  it.each([[[{}]], ["db"], [[undefined]]])("is what options take, and not %j", (secrets) => {
    expect(() => resolveOptions({ secrets } as unknown as FunctionOptions)).toThrow("`secrets` must be a list of Secrets");
    expect(() => new App("x", { secrets } as never)).toThrow("`secrets` must be a list of Secrets");
    expect(resolveOptions({ secrets: [Secret.fromObject({})] })).toBeDefined();
  });
});
