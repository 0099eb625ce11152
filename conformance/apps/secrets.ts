import { App, Secret } from "lydian";

const named = Secret.fromName("conformance", { requiredKeys: ["NAMED"] });

export const app = new App("secrets", { secrets: [named, Secret.fromObject({ SHARED: "of the app" })] });

export const read = app.function({ secrets: [Secret.fromObject({ SHARED: "of the function" })] }, async () => [
  process.env.NAMED?.length,
  process.env.SHARED,
]);

app.localEntrypoint(async () => console.log(JSON.stringify(await read.remote())));
