#define _GNU_SOURCE
#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "wire.h"

// Where programs are looked for when the environment does not say.
static const char DEFAULT_PATH[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

static struct rlimit file_limit;

void spawn_keep_file_limit(void) {
  if (getrlimit(RLIMIT_NOFILE, &file_limit) < 0) return;
  struct rlimit ours = {file_limit.rlim_max, file_limit.rlim_max};
  setrlimit(RLIMIT_NOFILE, &ours);
}

int pty_resize(int master, uint16_t rows, uint16_t columns) {
  struct winsize size = {.ws_row = rows, .ws_col = columns};
  return ioctl(master, TIOCSWINSZ, &size);
}

// A terminal of the container's own /dev/ptmx.
static int open_pty(const struct program *p, int *master, int *slave) {
  *slave = -1;
  *master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
  if (*master < 0) return -1;
  int unlocked = 0;
  if (ioctl(*master, TIOCSPTLCK, &unlocked) < 0) goto failed;
  // Without a path, so that nothing mounted over /dev/pts can come between; kernels in user space may not know it.
  *slave = ioctl(*master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (*slave < 0) {
    unsigned number;
    char path[32];
    if (ioctl(*master, TIOCGPTN, &number) < 0) goto failed;
    snprintf(path, sizeof path, "/dev/pts/%u", number);
    *slave = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
  }
  if (*slave >= 0 && (p->rows == 0 || p->columns == 0 || pty_resize(*master, p->rows, p->columns) == 0)) return 0;
failed:;
  int error = errno;
  if (*slave >= 0) close(*slave);
  close(*master);
  errno = error;
  return -1;
}

static const char *variable(char **env, const char *name) {
  size_t length = strlen(name);
  for (; *env != NULL; env++)
    if (strncmp(*env, name, length) == 0 && (*env)[length] == '=') return *env + length + 1;
  return NULL;
}

// Runs the program as the shell would find it, in the PATH of its own environment. Returns only with errno.
static void execute(const struct program *p) {
  const char *name = p->argv[0];
  if (strchr(name, '/') != NULL) {
    execve(name, p->argv, p->env);
    return;
  }
  const char *path = variable(p->env, "PATH");
  if (path == NULL) path = DEFAULT_PATH;
  int error = ENOENT;
  while (name[0] != 0) {
    size_t length = strcspn(path, ":");
    char candidate[4096];
    int written = snprintf(candidate, sizeof candidate, "%.*s%s%s", (int)length, path, length > 0 ? "/" : "", name);
    if (written > 0 && (size_t)written < sizeof candidate) {
      execve(candidate, p->argv, p->env);
      // A file that may not be run is remembered: it says more than that others are absent.
      if (errno == EACCES)
        error = EACCES;
      else if (errno != ENOENT && errno != ENOTDIR)
        return;
    }
    if (path[length] == 0) break;
    path += length + 1;
  }
  errno = error;
}

static _Noreturn void child(const struct program *p, int in, int out, int err, int status) {
  struct spawn_failure failure = {.step = STEP_FORK};
  setsid();
  for (int number = 1; number < NSIG; number++) signal(number, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  if (p->pty) {
    failure.step = STEP_PTY;
    if (ioctl(in, TIOCSCTTY, 0) < 0) goto failed;
  }
  failure.step = STEP_PIPES;
  // Ours are all above 2 (main.c sees to that), so none is overwritten before it is copied.
  if (dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0) goto failed;
  failure.step = STEP_CHDIR;
  if (chdir(p->workdir) < 0) goto failed;
  if (p->has_user) {
    failure.step = STEP_USER;
    if (setgroups(0, NULL) < 0 || setgid(p->gid) < 0 || setuid(p->uid) < 0) goto failed;
  }
  umask(022);
  setrlimit(RLIMIT_NOFILE, &file_limit);
  // Where the agent is no container's first process, nobody else would end this one after it.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  failure.step = STEP_EXEC;
  execute(p);
failed:
  failure.error = errno;
  if (write(status, &failure, sizeof failure) < 0) _exit(126);
  _exit(127);
}

static void close_all(int *fds, int count) {
  for (int i = 0; i < count; i++)
    if (fds[i] >= 0) close(fds[i]);
}

int spawn(const struct program *p, struct spawned *s, struct spawn_failure *failure) {
  // Pairs of ends: the program's, then ours.
  enum { IN, OUR_IN, OUR_OUT, OUT, OUR_ERR, ERR, OUR_STATUS, STATUS, ENDS };
  int fd[ENDS];
  for (int i = 0; i < ENDS; i++) fd[i] = -1;
  failure->step = STEP_PIPES;
  if (pipe2(fd + OUR_STATUS, O_CLOEXEC) < 0) goto failed;
  if (p->pty) {
    failure->step = STEP_PTY;
    if (open_pty(p, &fd[OUR_OUT], &fd[OUT]) < 0) goto failed;
    // One descriptor for each direction, because epoll knows a descriptor once.
    fd[OUR_IN] = fcntl(fd[OUR_OUT], F_DUPFD_CLOEXEC, 3);
    if (fd[OUR_IN] < 0) goto failed;
  } else {
    if (pipe2(fd + IN, O_CLOEXEC) < 0 || pipe2(fd + OUR_OUT, O_CLOEXEC) < 0) goto failed;
    if (!p->merge && pipe2(fd + OUR_ERR, O_CLOEXEC) < 0) goto failed;
    const int ours[] = {OUR_IN, OUR_OUT, OUR_ERR};
    for (int i = 0; i < 3; i++)
      if (fd[ours[i]] >= 0) fcntl(fd[ours[i]], F_SETFL, O_NONBLOCK);
  }
  fcntl(fd[OUR_STATUS], F_SETFL, O_NONBLOCK);
  failure->step = STEP_FORK;
  s->pid = fork();
  if (s->pid < 0) goto failed;
  if (s->pid == 0) {
    if (p->pty) child(p, fd[OUT], fd[OUT], fd[OUT], fd[STATUS]);
    child(p, fd[IN], fd[OUT], p->merge ? fd[OUT] : fd[ERR], fd[STATUS]);
  }
  const int theirs[] = {fd[IN], fd[OUT], fd[ERR], fd[STATUS]};
  close_all((int *)theirs, 4);
  s->in = fd[OUR_IN];
  s->out = fd[OUR_OUT];
  s->err = fd[OUR_ERR];
  s->status = fd[OUR_STATUS];
  return 0;
failed:
  failure->error = errno;
  close_all(fd, ENDS);
  return -1;
}
