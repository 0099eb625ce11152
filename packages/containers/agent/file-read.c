#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "files.h"
#include "loop.h"
#include "stream.h"
#include "wire.h"

void file_read(struct reader *request) {
  uint64_t offset = read_u64(request), length = read_u64(request), largest = read_u64(request);
  char *path = take_path(request);
  // A FIFO must not be waited for.
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  struct stat info;
  if (fd < 0 || fstat(fd, &info) < 0) stream_fail();
  if (S_ISDIR(info.st_mode)) stream_fail_at(STEP_FILE, EISDIR);
  if (S_ISREG(info.st_mode) && (uint64_t)info.st_size > largest) stream_fail_at(STEP_FILE, EFBIG);
  if (offset > INT64_MAX || (offset > 0 && lseek(fd, (off_t)offset, SEEK_SET) < 0)) stream_fail_at(STEP_FILE, EINVAL);
  uint8_t size[12];
  put_u64(size, (uint64_t)info.st_size);
  put_u32(size + 8, info.st_mode);
  stream_send(SIZE, size, sizeof size);
  // Devices have no size, and a file may grow while it is read.
  uint64_t left = length, total = 0;
  while (left > 0) {
    ssize_t n = read(fd, scratch + HEADER_BYTES, left < CHUNK_BYTES ? (size_t)left : CHUNK_BYTES);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) stream_fail();
    if (n == 0) break;
    total += (uint64_t)n;
    if (total > largest) stream_fail_at(STEP_FILE, EFBIG);
    stream_send_scratch(DATA, (size_t)n);
    left -= (uint64_t)n;
  }
  stream_done();
}
