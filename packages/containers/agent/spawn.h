// Starting a process: its pipes or terminal, its own session, and word of what went wrong before its program ran.
#ifndef SPAWN_H
#define SPAWN_H
#include <stdint.h>
#include <sys/types.h>

struct program {
  char *workdir;
  char **argv;
  char **env;
  int pty;
  // stderr goes where stdout goes.
  int merge;
  uint16_t rows, columns;
  int has_user;
  uint32_t uid, gid;
};

// Our ends, non-blocking. A terminal has two descriptors for its one master, and no `err` (-1), nor has what is merged.
struct spawned {
  pid_t pid;
  int in, out, err;
  // Ends without a byte once the program runs; else `struct spawn_failure` comes first.
  int status;
};

struct spawn_failure {
  int step;
  int error;
};

// 0, or -1 with `failure` filled in.
int spawn(const struct program *program, struct spawned *spawned, struct spawn_failure *failure);

// Takes all descriptors that are allowed for the agent; programs get the limit that was there before.
void spawn_keep_file_limit(void);

int pty_resize(int master, uint16_t rows, uint16_t columns);

#endif
