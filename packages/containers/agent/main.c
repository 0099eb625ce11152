#define _GNU_SOURCE
// The server's agent inside a container: starts processes, moves their bytes, works on files, connects to ports. Often it is the
// container's first process and reaps what nobody else does. It needs nothing of the image: no libc, no shell, no /proc.
//
// Usage: lydian-agent SOCKET   (the server listens there; see wire.h for what they say to each other)
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control.h"
#include "exec.h"
#include "loop.h"
#include "spawn.h"

static int leaving;

static void reap(void) {
  for (;;) {
    int status;
    pid_t pid = waitpid(-1, &status, WNOHANG);
    if (pid <= 0) break;
    exec_reaped(pid, status);
  }
  if (leaving && exec_signal_all(0) == 0) exit(0);
}

// Told to go: the processes are told in the same way, and when the last has ended, so do we.
static void leave(int number) {
  leaving = 1;
  control_refuse();
  if (exec_signal_all(number) == 0) exit(0);
}

static void on_signal(struct source *source, uint32_t events) {
  (void)events;
  struct signalfd_siginfo info;
  while (read(source->fd, &info, sizeof info) == (ssize_t)sizeof info)
    if (info.ssi_signo != SIGCHLD) leave((int)info.ssi_signo);
  reap();
}

static _Noreturn void fail(const char *what) {
  fprintf(stderr, "lydian-agent: %s: %s\n", what, strerror(errno));
  exit(111);
}

int main(int argc, char **argv) {
  if (argc != 2) {
    fputs("usage: lydian-agent SOCKET\n", stderr);
    return 2;
  }
  // What whoever started us has left open is not for the programs of others.
  close_range(3, ~0U, 0);
  // Descriptors 0 to 2 must be taken, or pipes for children would get these numbers.
  for (int number = 0; number < 3; number++) {
    int ends[2];
    if (fcntl(number, F_GETFD) < 0 && open("/dev/null", O_RDWR) < 0 && pipe(ends) < 0) fail("stdio");
  }
  // Programs inside must not look into our memory, where the tokens of other streams are.
  prctl(PR_SET_DUMPABLE, 0);
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  spawn_keep_file_limit();
  if (loop_open() < 0) fail("epoll");
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGCHLD);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  sigprocmask(SIG_BLOCK, &signals, NULL);
  signal(SIGPIPE, SIG_IGN);
  static struct source signal_source = {.ready = on_signal};
  signal_source.fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
  if (signal_source.fd < 0 || loop_watch(&signal_source, EPOLLIN) < 0) fail("signalfd");
  control_open(argv[1]);
  loop_run();
}
