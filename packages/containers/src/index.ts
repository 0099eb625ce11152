export * from "./host.ts";
export * from "./images/index.ts";
