import { create, ImageSchema, RegistryAuthType } from "@lydian/protocol";
import { describe, expect, it } from "vitest";
import { receiveRecipe, recipeKey } from "./recipe.ts";
import { registryLogin } from "./registry-login.ts";

describe("the login of a registry", () => {
  it("is a user and a password, or the key of a service account", () => {
    const user = { REGISTRY_USERNAME: "ada", REGISTRY_PASSWORD: "pw", OTHER: "x" };
    expect(registryLogin("static", user)).toEqual({ username: "ada", password: "pw" });
    expect(registryLogin("gcp", { SERVICE_ACCOUNT_JSON: "{}" })).toEqual({ username: "_json_key", password: "{}" });
  });

  it("names the variable that the secret lacks", () => {
    expect(() => registryLogin("static", { REGISTRY_USERNAME: "ada" })).toThrow(/has no REGISTRY_PASSWORD; it needs REGISTRY_USERNAME and/);
    expect(() => registryLogin("gcp", {})).toThrow(/has no SERVICE_ACCOUNT_JSON/);
  });

  it("is part of a recipe, and of its key by what it holds", () => {
    const image = (registryAuthType: RegistryAuthType) =>
      create(ImageSchema, { dockerfileCommands: ["FROM r.example/x:1"], imageRegistryConfig: { registryAuthType, secretId: "st-1" } });
    const { recipe } = receiveRecipe(image(RegistryAuthType.STATIC_CREDS), "");
    expect(recipe.registry).toEqual({ secretId: "st-1", kind: "static" });
    expect(new Set([recipeKey(recipe), recipeKey(recipe, { login: "a" }), recipeKey(recipe, { login: "b" })]).size).toBe(3);
    expect(() => receiveRecipe(image(RegistryAuthType.AWS), "")).toThrow(/kind AWS are not served/);
  });
});
