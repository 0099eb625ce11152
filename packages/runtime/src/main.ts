// What runs inside a container for TypeScript functions: `node runtime.mjs`. Who it is, is the socket it is given.
import { runContainer } from "./container.ts";

// Not awaited: whoever ends the process would hear of a module that was never done.
void runContainer(process.env.MODAL_SERVER_URL ?? process.env.LYDIAN_SERVER_URL);
