import { App, Function as Deployed } from "lydian";

export const app = new App("shop");

export const greet = app.function(async (name: string) => `Welcome, ${name}`);

/** A container finds its own environment and server. */
export const twice = app.function(async (name: string) => {
  const again = Deployed.fromName<typeof greet>("shop", "greet");
  return Promise.all([again.remote(name), again.remote(name)]);
});
