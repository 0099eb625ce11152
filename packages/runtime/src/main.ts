// What runs inside a container for TypeScript functions: `node runtime.mjs`. Who it is, is the socket it is given.
import { runContainer } from "./container.ts";

await runContainer(process.env.MODAL_SERVER_URL ?? process.env.LYDIAN_SERVER_URL);
