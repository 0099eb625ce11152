import { create, ImageSchema, RegistryAuthType } from "@lydian/protocol";
import { describe, expect, it } from "vitest";
import { receiveRecipe, recipeKey } from "./recipe.ts";
import { registryLogin } from "./registry-login.ts";

const key = { AWS_ACCESS_KEY_ID: "AKID", AWS_SECRET_ACCESS_KEY: "secret", AWS_REGION: "us-east-1" };

describe("the login of a registry", () => {
  it("is a user and a password, or the key of a service account", () => {
    const user = { REGISTRY_USERNAME: "ada", REGISTRY_PASSWORD: "pw", OTHER: "x" };
    expect(registryLogin("static", user)).toMatchObject({ username: "ada", password: "pw" });
    expect(registryLogin("gcp", { SERVICE_ACCOUNT_JSON: "{}" })).toMatchObject({ username: "_json_key", password: "{}" });
  });

  it("names the variable that the secret lacks", () => {
    expect(() => registryLogin("static", { REGISTRY_USERNAME: "ada" })).toThrow(/has no REGISTRY_PASSWORD; it needs REGISTRY_USERNAME and/);
    expect(() => registryLogin("gcp", {})).toThrow(/has no SERVICE_ACCOUNT_JSON/);
    expect(() => registryLogin("aws", { ...key, AWS_REGION: "" })).toThrow(/has no AWS_REGION/);
  });

  it("is an access key of AWS, but neither a role nor a region that would be another host", () => {
    expect(registryLogin("aws", key)).toMatchObject({ username: "AWS", password: expect.any(Function) });
    expect(registryLogin("aws", { ...key, AWS_SESSION_TOKEN: "t" }).basis).not.toBe(registryLogin("aws", key).basis);
    const role = { AWS_ROLE_ARN: "arn:aws:iam::1:role/x", AWS_REGION: "us-east-1" };
    expect(() => registryLogin("aws", role)).toThrow(/AWS_ROLE_ARN.*this server issues none/);
    for (const region of ["evil.example/#", "us-east-1.evil.example", "US-EAST-1"])
      expect(() => registryLogin("aws", { ...key, AWS_REGION: region })).toThrow(/is no region/);
  });

  it("is part of a recipe, and of its key by what it holds", () => {
    const image = (registryAuthType: RegistryAuthType) =>
      create(ImageSchema, { dockerfileCommands: ["FROM r.example/x:1"], imageRegistryConfig: { registryAuthType, secretId: "st-1" } });
    const { recipe } = receiveRecipe(image(RegistryAuthType.STATIC_CREDS), "");
    expect(recipe.registry).toEqual({ secretId: "st-1", kind: "static" });
    expect(new Set([recipeKey(recipe), recipeKey(recipe, { login: "a" }), recipeKey(recipe, { login: "b" })]).size).toBe(3);
    expect(receiveRecipe(image(RegistryAuthType.AWS), "").recipe.registry?.kind).toBe("aws");
  });
});
