// What both ends of a lane (lane.proto) agree to: many small calls on one stream, because a stream of its own costs a small call more
// than its work does.

export const LANE_PATH = "/lydian.v1.Lane/Calls";
/** Calls that wait on one lane at a time; their numbers are 1 to this. */
export const MAX_LANE_CALLS = 16_384;
/** A larger request would hold up those behind it: it goes on a stream of its own. */
export const MAX_LANE_REQUEST_BYTES = 64 * 1024;
/** What a call's envelope adds to its message at most: headers or trailers. */
export const MAX_ENVELOPE_BYTES = 64 * 1024;
