/**
 * What Lydian's own programs expect of each other: raised when one could misread the other. The official clients send no such
 * header; their protocol only ever grows.
 */
export const PROTOCOL_VERSION = "2";

/** The header in which our clients tell theirs. */
export const PROTOCOL_VERSION_HEADER = "x-lydian-protocol";
