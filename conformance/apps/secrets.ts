import { readFile } from "node:fs/promises";
import { App, Image, Secret } from "lydian";

const named = Secret.fromName("conformance", { requiredKeys: ["NAMED"] });
const image = Image.node().run('printf %s "$NAMED" | wc -c >/length', { secrets: [named] });

export const app = new App("secrets", { secrets: [named, Secret.fromObject({ SHARED: "of the app" })] });

export const read = app.function({ secrets: [Secret.fromObject({ SHARED: "of the function" })] }, async () => [
  process.env.NAMED?.length,
  process.env.SHARED,
]);

export const readBuilt = app.function({ image }, async () => Number(await readFile("/length", "utf8")));

app.localEntrypoint(async () => console.log(JSON.stringify([...(await read.remote()), await readBuilt.remote()])));
