export type { ServerConfig } from "./config.ts";
export { type RunningServer, startServer } from "./main.ts";
