#define _GNU_SOURCE
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stream.h"
#include "wire.h"

char *take_path(struct reader *request) {
  char *path = read_string(request, PATH_MAX - 1);
  if (path == NULL) stream_fail_at(STEP_REQUEST, ENAMETOOLONG);
  if (path[0] != '/') stream_fail_at(STEP_REQUEST, EINVAL);
  return path;
}

static _Noreturn void run(uint8_t operation, struct reader *request) {
  switch (operation) {
    case OP_READ: file_read(request);
    case OP_WRITE: file_write(request);
    case OP_LIST: file_list(request);
    case OP_STAT: file_stat(request);
    case OP_MKDIR: file_make_directory(request);
    case OP_REMOVE: file_remove(request);
    case OP_RENAME: file_rename(request);
    case OP_COPY: file_copy(request);
    case OP_WATCH: file_watch(request);
    case OP_OPEN: file_open(request);
    default: stream_fail_at(STEP_REQUEST, ENOSYS);
  }
}

int files_open(int fd, const uint8_t *token, uint8_t operation, struct reader *request) {
  pid_t pid = fork();
  if (pid < 0) {
    int error = errno;
    close(fd);
    return error;
  }
  if (pid > 0) {
    close(fd);
    return 0;
  }
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  // The sockets and pipes of others must not stay open through us.
  dup2(fd, 3);
  close_range(4, ~0U, 0);
  fcntl(3, F_SETFL, 0);
  for (int number = 1; number < NSIG; number++) signal(number, number == SIGPIPE ? SIG_IGN : SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  umask(022);
  stream_use(3);
  stream_send(TOKEN, token, TOKEN_BYTES);
  run(operation, request);
}
