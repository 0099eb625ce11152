#include "stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "bytes.h"
#include "loop.h"
#include "wire.h"

static int stream = -1;
static void (*end_hook)(void);

static _Noreturn void leave(int code) {
  void (*hook)(void) = end_hook;
  end_hook = NULL;
  if (hook != NULL) hook();
  _exit(code);
}

void stream_use(int fd) { stream = fd; }
int stream_fd(void) { return stream; }
void stream_on_end(void (*clean_up)(void)) { end_hook = clean_up; }

static void write_all(const uint8_t *data, size_t length) {
  while (length > 0) {
    ssize_t n = send(stream, data, length, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) leave(1);
    data += n;
    length -= (size_t)n;
  }
}

void stream_send_scratch(uint8_t type, size_t length) {
  scratch[0] = type;
  put_u32(scratch + 1, (uint32_t)length);
  write_all(scratch, HEADER_BYTES + length);
}

void stream_send(uint8_t type, const void *payload, size_t length) {
  if (length > CHUNK_BYTES) abort();
  if (length > 0) memcpy(scratch + HEADER_BYTES, payload, length);
  stream_send_scratch(type, length);
}

static void read_all(uint8_t *at, size_t length) {
  while (length > 0) {
    ssize_t n = read(stream, at, length);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) leave(1);
    at += n;
    length -= (size_t)n;
  }
}

uint8_t stream_receive(size_t *length) {
  uint8_t header[HEADER_BYTES];
  read_all(header, sizeof header);
  struct reader r = {header + 1, 4, 0};
  *length = read_u32(&r);
  if (*length > MAX_STREAM_PAYLOAD) leave(1);
  read_all(scratch, *length);
  return header[0];
}

void stream_fail_at(int step, int error) {
  void (*hook)(void) = end_hook;
  end_hook = NULL;
  if (hook != NULL) hook();
  uint8_t payload[5] = {(uint8_t)step};
  put_u32(payload + 1, (uint32_t)error);
  stream_send(FAILED, payload, sizeof payload);
  // What the server still sends is taken in, or its side would see a reset instead of the reason.
  shutdown(stream, SHUT_WR);
  while (read(stream, scratch, CHUNK_BYTES) > 0) continue;
  _exit(1);
}

void stream_fail(void) { stream_fail_at(STEP_FILE, errno); }

void stream_done(void) {
  stream_send(DONE, NULL, 0);
  _exit(0);
}
