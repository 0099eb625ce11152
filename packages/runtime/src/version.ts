/** Told to the server at start, so that it can see which runtime an image brings. */
export const RUNTIME_VERSION = "0.1.0";
