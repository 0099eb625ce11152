#define _GNU_SOURCE
// OPEN: a file that stays open. Its stream carries one request after the other, and the file is closed with it.
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "files.h"
#include "loop.h"
#include "stream.h"
#include "wire.h"

static uint8_t *const piece = scratch + HEADER_BYTES;

// The request has failed; the file stays open.
static void report(int error) {
  uint8_t payload[5] = {STEP_FILE};
  put_u32(payload + 1, (uint32_t)error);
  stream_send(FAILED, payload, sizeof payload);
}

static ssize_t read_piece(int fd, size_t length) {
  for (;;) {
    ssize_t n = read(fd, piece, length);
    if (n >= 0 || errno != EINTR) return n;
  }
}

static void read_next(int fd, uint64_t left) {
  while (left > 0) {
    ssize_t n = read_piece(fd, left < CHUNK_BYTES ? (size_t)left : CHUNK_BYTES);
    if (n < 0) return report(errno);
    if (n == 0) break;
    stream_send_scratch(DATA, (size_t)n);
    left -= (uint64_t)n;
  }
  stream_send(DONE, NULL, 0);
}

static void read_line(int fd) {
  for (;;) {
    // What was read beyond the line is given back. Where that cannot be (a terminal), it is read byte by byte.
    off_t at = lseek(fd, 0, SEEK_CUR);
    ssize_t n = read_piece(fd, at < 0 ? 1 : CHUNK_BYTES);
    if (n < 0) return report(errno);
    if (n == 0) break;
    uint8_t *newline = memchr(piece, '\n', (size_t)n);
    size_t length = newline == NULL ? (size_t)n : (size_t)(newline - piece) + 1;
    if (length < (size_t)n && lseek(fd, at + (off_t)length, SEEK_SET) < 0) return report(errno);
    stream_send_scratch(DATA, length);
    if (newline != NULL) break;
  }
  stream_send(DONE, NULL, 0);
}

static void write_piece(int fd, size_t length) {
  for (size_t done = 0; done < length;) {
    ssize_t n = write(fd, scratch + done, length - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return report(errno);
    done += (size_t)n;
  }
  stream_send(DONE, NULL, 0);
}

static void seek(int fd, struct reader *request) {
  static const int WHENCE[] = {SEEK_SET, SEEK_CUR, SEEK_END};
  uint8_t whence = read_u8(request);
  int64_t offset = (int64_t)read_u64(request);
  if (request->bad || whence > 2) return report(EINVAL);
  if (lseek(fd, (off_t)offset, WHENCE[whence]) < 0) return report(errno);
  stream_send(DONE, NULL, 0);
}

static int flags_of(uint32_t wanted) {
  int flags = O_CLOEXEC | O_NOCTTY | O_NONBLOCK;  // A FIFO must not be waited for.
  if (wanted & OPEN_WRITE) flags |= wanted & OPEN_READ ? O_RDWR : O_WRONLY;
  if (wanted & OPEN_CREATE) flags |= O_CREAT;
  if (wanted & OPEN_TRUNCATE) flags |= O_TRUNC;
  if (wanted & OPEN_EXCLUSIVE) flags |= O_EXCL;
  if (wanted & OPEN_APPEND) flags |= O_APPEND;
  return flags;
}

void file_open(struct reader *request) {
  uint32_t wanted = read_u32(request), mode = read_u32(request) & 07777;
  char *path = take_path(request);
  int fd = open(path, flags_of(wanted), mode);
  struct stat info;
  if (fd < 0 || fstat(fd, &info) < 0) stream_fail();
  if (S_ISDIR(info.st_mode)) stream_fail_at(STEP_FILE, EISDIR);
  if (wanted & OPEN_APPEND) lseek(fd, 0, SEEK_END);
  stream_send(DONE, NULL, 0);
  for (;;) {
    size_t length;
    uint8_t type = stream_receive(&length);
    struct reader next = {scratch, length, 0};
    switch (type) {
      case FILE_READ: read_next(fd, read_u64(&next)); break;
      case FILE_READ_LINE: read_line(fd); break;
      case FILE_SEEK: seek(fd, &next); break;
      case DATA: write_piece(fd, length); break;
      default: stream_fail_at(STEP_REQUEST, EINVAL);
    }
  }
}
