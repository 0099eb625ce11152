#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "files.h"
#include "loop.h"
#include "stream.h"
#include "wire.h"

enum { MAX_LINKS = 40 };

static char draft[PATH_MAX];

static void remove_draft(void) { unlink(draft); }

// The file that `path` means in the end: a write through a link changes what the link leads to, and leaves the link.
static void follow_links(char path[PATH_MAX]) {
  for (int hop = 0; hop < MAX_LINKS; hop++) {
    char target[PATH_MAX], next[2 * PATH_MAX];
    ssize_t length = readlink(path, target, sizeof target - 1);
    if (length < 0) return;  // No link, or not there: what comes next says which.
    target[length] = 0;
    int above = (int)(strrchr(path, '/') - path);
    int written = snprintf(next, sizeof next, "%.*s/%s", target[0] == '/' ? 0 : above, path, target);
    if (written >= PATH_MAX) stream_fail_at(STEP_FILE, ENAMETOOLONG);
    memcpy(path, next, (size_t)written + 1);
  }
  stream_fail_at(STEP_FILE, ELOOP);
}

static int open_draft(const char *path) {
  uint64_t number;
  if (getrandom(&number, sizeof number, 0) != sizeof number) return -1;
  int above = (int)(strrchr(path, '/') - path);
  int written = snprintf(draft, sizeof draft, "%.*s/.lydian-%016llx.partial", above, path, (unsigned long long)number);
  if ((size_t)written >= sizeof draft) {
    errno = ENAMETOOLONG;
    return -1;
  }
  return open(draft, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
}

// Until COMMIT. A server that goes before it leaves through `stream_receive`.
static void receive_into(int fd) {
  for (;;) {
    size_t length;
    uint8_t type = stream_receive(&length);
    if (type == COMMIT) return;
    if (type != DATA) stream_fail_at(STEP_REQUEST, EINVAL);
    for (size_t done = 0; done < length;) {
      ssize_t n = write(fd, scratch + done, length - done);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) stream_fail();
      done += (size_t)n;
    }
  }
}

// Where the name itself cannot be replaced (a file that is a mount, such as /etc/hosts), the content is.
static void overwrite(int from, const char *path) {
  int to = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
  if (to < 0 || lseek(from, 0, SEEK_SET) < 0 || copy_content(from, to) < 0 || close(to) < 0) stream_fail();
  unlink(draft);
}

void file_write(struct reader *request) {
  uint32_t mode = read_u32(request) & 07777;
  char *given = take_path(request);
  char path[PATH_MAX];
  strcpy(path, given);
  if (path[strlen(path) - 1] == '/') stream_fail_at(STEP_FILE, EISDIR);
  follow_links(path);
  struct stat old;
  int exists = stat(path, &old) == 0;
  if (!exists && errno != ENOENT) stream_fail();
  if (exists && S_ISDIR(old.st_mode)) stream_fail_at(STEP_FILE, EISDIR);
  if (exists && !S_ISREG(old.st_mode)) {
    // Devices and pipes are written to, not replaced.
    int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) stream_fail();
    fcntl(fd, F_SETFL, 0);
    receive_into(fd);
    if (close(fd) < 0) stream_fail();
    stream_done();
  }
  int fd = open_draft(path);
  if (fd < 0 && errno == ENOENT && make_parents(path) == 0) fd = open_draft(path);
  if (fd < 0) stream_fail();
  stream_on_end(remove_draft);
  receive_into(fd);
  if (exists && fchown(fd, old.st_uid, old.st_gid) < 0 && errno != EPERM) stream_fail();
  if (fchmod(fd, exists ? old.st_mode & 07777 : mode) < 0) stream_fail();
  if (rename(draft, path) < 0) {
    if (errno != EBUSY) stream_fail();
    overwrite(fd, path);
  }
  stream_on_end(NULL);
  stream_done();
}
