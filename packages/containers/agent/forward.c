#define _GNU_SOURCE
#include "forward.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loop.h"
#include "wire.h"

struct forward;

// One direction is read from its own end and written to the other.
struct end {
  struct source source;
  struct forward *forward;
  // What came from here and the other end has not taken.
  uint8_t *held;
  size_t held_length;
  // Nothing more comes from here.
  int finished;
};

struct forward {
  struct end server, port;
  uint16_t number;
  int family;
  int connected;
};

static void destroy(struct forward *f) {
  struct end *ends[] = {&f->server, &f->port};
  for (int i = 0; i < 2; i++) {
    loop_close(&ends[i]->source);
    free(ends[i]->held);
    ends[i]->held = NULL;
  }
  loop_free(f);
}

static struct end *other(struct end *end) { return end == &end->forward->server ? &end->forward->port : &end->forward->server; }

// An end is read while nothing of it is held, and waited for to write while something is held for it.
static void watch(struct end *end) {
  uint32_t events = 0;
  if (!end->finished && end->held_length == 0) events |= EPOLLIN;
  if (other(end)->held_length > 0) events |= EPOLLOUT;
  loop_watch(&end->source, events);
}

static void settle(struct forward *f) {
  if (f->server.finished && f->port.finished && f->server.held_length == 0 && f->port.held_length == 0) {
    destroy(f);
    return;
  }
  watch(&f->server);
  watch(&f->port);
}

// 0, or -1 when the whole connection is broken.
static int flush(struct end *from) {
  struct end *to = other(from);
  while (from->held_length > 0) {
    ssize_t n = send(to->source.fd, from->held, from->held_length, MSG_NOSIGNAL);
    if (n < 0) return errno == EAGAIN || errno == EINTR ? 0 : -1;
    from->held_length -= (size_t)n;
    memmove(from->held, from->held + n, from->held_length);
  }
  free(from->held);
  from->held = NULL;
  if (from->finished) shutdown(to->source.fd, SHUT_WR);
  return 0;
}

static int take(struct end *from) {
  struct end *to = other(from);
  ssize_t n = read(from->source.fd, scratch, CHUNK_BYTES);
  if (n < 0) return errno == EAGAIN || errno == EINTR ? 0 : -1;
  if (n == 0) {
    from->finished = 1;
    shutdown(to->source.fd, SHUT_WR);
    return 0;
  }
  ssize_t sent = send(to->source.fd, scratch, (size_t)n, MSG_NOSIGNAL);
  if (sent < 0 && errno != EAGAIN && errno != EINTR) return -1;
  if (sent < 0) sent = 0;
  if (sent == n) return 0;
  from->held = malloc((size_t)(n - sent));
  if (from->held == NULL) return -1;
  memcpy(from->held, scratch + sent, (size_t)(n - sent));
  from->held_length = (size_t)(n - sent);
  return 0;
}

static void relay(struct source *source, uint32_t events) {
  struct end *end = (struct end *)source;
  struct forward *f = end->forward;
  int broken = 0;
  if (events & (EPOLLOUT | EPOLLERR | EPOLLHUP) && other(end)->held_length > 0) broken = flush(other(end)) < 0;
  if (!broken && events & (EPOLLIN | EPOLLERR | EPOLLHUP) && !end->finished && end->held_length == 0) broken = take(end) < 0;
  // Reported although nothing is waited for: the other side is gone in both directions.
  if (!broken && events & (EPOLLERR | EPOLLHUP) && end->finished) broken = 1;
  if (broken)
    destroy(f);
  else
    settle(f);
}

// A frame that the empty buffer of a new socket takes whole.
static int say(struct forward *f, uint8_t type, const uint8_t *payload, size_t length) {
  uint8_t frame[HEADER_BYTES + TOKEN_BYTES];
  frame[0] = type;
  put_u32(frame + 1, (uint32_t)length);
  memcpy(frame + HEADER_BYTES, payload, length);
  return send(f->server.source.fd, frame, HEADER_BYTES + length, MSG_NOSIGNAL) == (ssize_t)(HEADER_BYTES + length) ? 0 : -1;
}

static void fail(struct forward *f, int error) {
  uint8_t payload[5] = {STEP_CONNECT};
  put_u32(payload + 1, (uint32_t)error);
  say(f, FAILED, payload, sizeof payload);
  destroy(f);
}

static void established(struct forward *f) {
  int on = 1;
  setsockopt(f->port.source.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  f->connected = 1;
  f->server.source.ready = f->port.source.ready = relay;
  uint8_t none[4] = {0};
  if (say(f, STARTED, none, sizeof none) < 0)
    destroy(f);
  else
    settle(f);
}

static void dial(struct forward *f);

static void dialled(struct forward *f, int error) {
  if (error == 0) {
    established(f);
  } else if (f->family == AF_INET) {
    loop_close(&f->port.source);
    f->family = AF_INET6;
    dial(f);
  } else {
    // That there is no IPv6 is no news: the port is what was asked for.
    fail(f, error == EAFNOSUPPORT || error == EADDRNOTAVAIL ? ECONNREFUSED : error);
  }
}

static void dial_ready(struct source *source, uint32_t events) {
  struct forward *f = ((struct end *)source)->forward;
  (void)events;
  int error = 0;
  socklen_t size = sizeof error;
  if (getsockopt(source->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0) error = errno;
  dialled(f, error);
}

static void dial(struct forward *f) {
  struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(f->number), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(f->number), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
  int fd = socket(f->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  f->port.source = (struct source){.fd = fd, .ready = dial_ready};
  if (fd < 0) {
    dialled(f, errno);
    return;
  }
  int result = f->family == AF_INET ? connect(fd, (struct sockaddr *)&v4, sizeof v4) : connect(fd, (struct sockaddr *)&v6, sizeof v6);
  if (result == 0)
    dialled(f, 0);
  else if (errno != EINPROGRESS)
    dialled(f, errno);
  else if (loop_watch(&f->port.source, EPOLLOUT) < 0)
    fail(f, errno);
}

// The server gives up while we still dial. It sends nothing before STARTED.
static void server_left(struct source *source, uint32_t events) {
  (void)events;
  destroy(((struct end *)source)->forward);
}

void forward_open(int fd, const uint8_t *token, struct reader *request) {
  struct forward *f = calloc(1, sizeof *f);
  if (f == NULL) {
    close(fd);
    return;
  }
  f->number = read_u16(request);
  f->family = AF_INET;
  f->server.forward = f->port.forward = f;
  f->server.source = (struct source){.fd = fd, .ready = server_left};
  f->port.source.fd = -1;
  if (loop_watch(&f->server.source, EPOLLIN) < 0 || say(f, TOKEN, token, TOKEN_BYTES) < 0)
    destroy(f);
  else if (request->bad)
    fail(f, EINVAL);
  else
    dial(f);
}
