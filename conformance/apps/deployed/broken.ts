import { App, Image } from "lydian";

export const app = new App("shop");

export const greet = app.function({ image: Image.node().run("exit 3") }, async () => "never");
