// The wire between the server and its agent inside a container. The other side is src/agent/wire.ts.
//
// The server listens on a unix stream socket; the agent connects. Everything is a frame until said otherwise: one byte type,
// 32-bit length, payload. Integers are big-endian. A "string" is a 32-bit length and that many bytes, without NUL.
//
// The first connection is the control connection. The agent begins with HELLO, the server answers WELCOME, and from then on asks
// for streams with OPEN: a token, an operation and its body. For each the agent opens one more connection, which begins with
// TOKEN and belongs to that operation alone, so that each has the back-pressure of a socket of its own. When a stream cannot
// even be opened, REFUSED says so on the control connection. A stream that the server closes is given up: its process group is killed,
// its half-written file removed.
//
// EXEC     STARTED or FAILED; STDOUT and STDERR frames; EXIT last. The server sends STDIN, never more than STDIN_WINDOW bytes ahead
//          of what STDIN_TAKEN has reported, so that SIGNAL and RESIZE are never stuck behind input that nobody reads. EXITED on the
//          control connection tells of the end even while output waits for its reader.
//          With EXEC_KEEP it lives on without its stream: its output waits, at most KEPT_WINDOW bytes that the server has not confirmed
//          with TAKEN (then the process waits), and so does its end, until the server says FORGET on the control connection.
// KEPT     KEPT for each such process, DONE.
// ATTACH   ATTACHED or FAILED, then as after STARTED: first the output that lies behind the two offsets.
// CONNECT  STARTED or FAILED; after STARTED both directions are plain bytes, each with an end of its own (half-close).
// READ     SIZE, DATA …, DONE.      WRITE    the server sends DATA … and COMMIT; DONE.
// LIST     ENTRY …, DONE.           STAT     ENTRY, DONE.          WATCH   DONE when it watches; EVENT …
// OPEN     DONE when it is open; then for each request from the server DATA … and DONE, or FAILED, after which it is still open.
// others   DONE.                    FAILED instead of anything else ends an operation.
#ifndef WIRE_H
#define WIRE_H

enum {
  WIRE_VERSION = 2,
  TOKEN_BYTES = 16,
  SECRET_BYTES = 32,
  HEADER_BYTES = 5,
  // What the server may send: a request with arguments and environment (the kernel takes 2 MiB of them), or a piece of input.
  MAX_CONTROL_PAYLOAD = 4 << 20,
  MAX_STREAM_PAYLOAD = 64 << 10,
  // What the agent sends at most in one frame.
  CHUNK_BYTES = 64 << 10,
  STDIN_WINDOW = 256 << 10,
  KEPT_WINDOW = 256 << 10,
  MAX_NOTE = 4096,
};

enum frame {
  // Control connection.
  HELLO = 1,    // from the agent: u8 version, then nothing or the secret of an earlier WELCOME
  WELCOME = 2,  // from the server: u16 seconds to go on and reconnect for after the server has vanished, secret
  OPEN = 3,     // from the server: token, u8 operation, body
  TOKEN = 4,    // first frame of a stream: token
  EXITED = 5,   // token: its process has ended
  REFUSED = 6,  // token, u32 errno
  LIFE = 7,     // from the server: u32 seconds, after which all ends; until then, go on and reconnect whenever the server has vanished
  FORGET = 8,   // from the server: token of a process with EXEC_KEEP: killed if it runs, and nothing of it is kept

  // Streams, from the agent.
  STARTED = 16,       // u32 pid
  FAILED = 17,        // u8 step, u32 errno
  STDOUT = 18,        // bytes
  STDERR = 19,        // bytes
  STDIN_TAKEN = 20,   // u32: so many bytes more have gone into the process's stdin
  STDIN_CLOSED = 21,  // the process reads no more
  EXIT = 22,          // u8 0 for a code or 1 for a signal, u32 number
  SIZE = 23,          // u64 size, u32 mode
  DATA = 24,          // bytes; from the server in WRITE
  ENTRY = 25,         // see entry.c
  DONE = 26,
  EVENT = 27,     // u8 kind, string path, string second path (of a rename; else empty)
  ATTACHED = 28,  // u32 pid, u64 bytes of input that have come, u32 of them that the process has not taken, u8 its input is over, u8 it has ended
  KEPT = 29,      // token, string note

  // Streams, from the server.
  STDIN = 32,      // bytes
  STDIN_END = 33,  // in a terminal: types its end-of-file character
  RESIZE = 34,     // u16 rows, u16 columns
  SIGNAL = 35,     // u8 number, to the whole process group
  COMMIT = 36,     // all of the file has been sent
  TAKEN = 37,      // u64 bytes of stdout, u64 of stderr that are in safety
  FILE_READ = 38,  // u64 bytes at most: from the position of an open file on; DATA writes there
  FILE_READ_LINE = 39,
  FILE_SEEK = 40,  // u8 0 from the start, 1 from the position, 2 from the end; i64 offset
};

enum operation {
  OP_EXEC = 1,     // u8 flags, u16 rows, u16 columns, u32 uid, u32 gid, string workdir, u32 count, string argument …, u32 count, string NAME=VALUE …; with EXEC_KEEP string note
  OP_CONNECT = 2,  // u16 port
  OP_READ = 3,     // u64 offset, u64 length, u64 largest file, string path
  OP_WRITE = 4,    // u32 mode of a new file, string path
  OP_LIST = 5,     // string path
  OP_STAT = 6,     // u8 follow the last link, string path
  OP_MKDIR = 7,    // u8 parents, u32 mode, string path
  OP_REMOVE = 8,   // u8 recursive, string path
  OP_RENAME = 9,   // string from, string to
  OP_COPY = 10,    // u8 recursive, string from, string to
  OP_WATCH = 11,   // u8 recursive, string path
  OP_KEPT = 12,    // nothing
  OP_ATTACH = 13,  // token of the process, u64 of stdout and u64 of stderr that the server has; all ones: what there is of it is not wanted
  OP_OPEN = 14,    // u32 flags, u32 mode of a new file, string path
};

enum open_flag { OPEN_READ = 1, OPEN_WRITE = 2, OPEN_CREATE = 4, OPEN_TRUNCATE = 8, OPEN_EXCLUSIVE = 16, OPEN_APPEND = 32 };

// EXEC_MERGE: stderr goes where stdout goes.
enum exec_flag { EXEC_PTY = 1, EXEC_USER = 2, EXEC_KEEP = 4, EXEC_MERGE = 8 };

// Where something failed, for the sentence that the server makes of it.
enum step { STEP_REQUEST = 1, STEP_PIPES = 2, STEP_PTY = 3, STEP_FORK = 4, STEP_CHDIR = 5, STEP_USER = 6, STEP_EXEC = 7, STEP_CONNECT = 8, STEP_FILE = 9, STEP_TARGET = 10 };

enum event_kind { EVENT_CREATE = 1, EVENT_MODIFY = 2, EVENT_REMOVE = 3, EVENT_ACCESS = 4, EVENT_RENAME = 5, EVENT_RENAME_FROM = 6, EVENT_RENAME_TO = 7, EVENT_UNKNOWN = 8 };

#endif
