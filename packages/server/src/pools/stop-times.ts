// How long containers may take to end, by what they are told.

/** SIGINT to SIGKILL. */
export const STOP_GRACE_MS = 10_000;
/** The same when the server stops: callers are waiting for its next start. */
export const SHUTDOWN_GRACE_MS = 2_000;
/** What code that was told to give up may take before it is interrupted, and after. */
export const GIVE_UP_MS = 2_000;
export const GAVE_UP_GRACE_MS = 3_000;
export const STANDBY_GRACE_MS = 500;
/** A container asked to leave by its input loop is stopped by signal after this. */
export const LEAVE_PATIENCE_MS = 30_000;
