#define _GNU_SOURCE
#include "sink.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "loop.h"
#include "wire.h"

// Beyond so many their writers get SIGPIPE, as with any program that closes its end.
enum { MAX_SINKS = 512 };
static int count;

static void ready(struct source *source, uint32_t events) {
  (void)events;
  ssize_t n = read(source->fd, scratch, CHUNK_BYTES);
  if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR))) return;
  loop_close(source);
  loop_free(source);
  count--;
}

void sink_open(int fd) {
  struct source *source = count < MAX_SINKS ? calloc(1, sizeof *source) : NULL;
  if (source == NULL) {
    close(fd);
    return;
  }
  *source = (struct source){.fd = fd, .ready = ready};
  count++;
  if (loop_watch(source, EPOLLIN) == 0) return;
  loop_close(source);
  free(source);
  count--;
}
