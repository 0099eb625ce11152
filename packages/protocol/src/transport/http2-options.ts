// What both ends of an HTTP/2 connection agree to. Each value is here because a default of node:http2 does not hold under load.
import type { Settings } from "node:http2";

/** Calls in flight on one connection. A client with more waits for a free place. */
const MAX_CONCURRENT_STREAMS = 4096;

const SETTINGS: Settings = {
  enablePush: false,
  maxConcurrentStreams: MAX_CONCURRENT_STREAMS,
  // The default of 64 KiB stops an upload of 100 MiB some 1,600 times for a window update.
  initialWindowSize: 1024 * 1024,
  maxFrameSize: 64 * 1024,
};

/** Bytes in flight over all streams of one connection. */
export const CONNECTION_WINDOW_BYTES = 32 * 1024 * 1024;

/** For `createServer`, `performServerHandshake` and `connect`. */
export const SESSION_OPTIONS = {
  settings: SETTINGS,
  // MiB. The default of 10 resets most of 64 answers of 4 MiB that leave together.
  maxSessionMemory: 16 * 1024,
  // Clients that cancel many calls at once are no attack.
  maxSessionRejectedStreams: 10_000,
  maxSessionInvalidFrames: 1000,
  streamResetBurst: 100_000,
  streamResetRate: 10_000,
};
