#define _GNU_SOURCE
#include "connection.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bytes.h"
#include "wire.h"

// Not `scratch`: what handles a frame may send.
static uint8_t incoming[CHUNK_BYTES];

static void lost(struct connection *c) {
  connection_close(c);
  c->on_closed(c);
}

static void wait_for(struct connection *c) {
  // What comes in is still read while we only wait to have sent the rest: it tells when the server has gone.
  loop_watch(&c->source, EPOLLIN | (c->out_length > 0 ? EPOLLOUT : 0));
}

// Gives `data` to the handler of frames, piece by piece. -1 when the connection has been closed meanwhile.
static int take_in(struct connection *c, const uint8_t *data, size_t length) {
  while (length > 0) {
    if (c->header_length < HEADER_BYTES) {
      size_t take = HEADER_BYTES - c->header_length;
      if (take > length) take = length;
      memcpy(c->header + c->header_length, data, take);
      c->header_length += take;
      data += take;
      length -= take;
      if (c->header_length < HEADER_BYTES) return 0;
      struct reader r = {c->header + 1, 4, 0};
      c->payload_size = read_u32(&r);
      c->payload_length = 0;
      c->payload = c->payload_size > c->max_payload ? NULL : malloc(c->payload_size + 1);
      if (c->payload == NULL) {
        lost(c);
        return -1;
      }
    }
    size_t take = c->payload_size - c->payload_length;
    if (take > length) take = length;
    memcpy(c->payload + c->payload_length, data, take);
    c->payload_length += take;
    data += take;
    length -= take;
    if (c->payload_length < c->payload_size) return 0;
    uint8_t *payload = c->payload;
    c->payload = NULL;
    c->header_length = 0;
    if (!c->close_when_sent) c->on_frame(c, c->header[0], payload, c->payload_size);
    free(payload);
    if (c->source.fd < 0) return -1;
  }
  return 0;
}

// The server closes. If it found us gone while it still writes, it would drop what it has not read yet, which is how it all ended.
static void wait_for_close(struct connection *c) {
  if (shutdown(c->source.fd, SHUT_WR) < 0)
    lost(c);
  else
    wait_for(c);
}

static void sent(struct connection *c) {
  if (c->close_when_sent) {
    wait_for_close(c);
    return;
  }
  wait_for(c);
  if (c->on_drained != NULL) c->on_drained(c);
}

static void send_rest(struct connection *c) {
  ssize_t n = send(c->source.fd, c->out, c->out_length, MSG_NOSIGNAL);
  if (n < 0) {
    if (errno != EAGAIN && errno != EINTR) lost(c);
    return;
  }
  c->out_length -= (size_t)n;
  memmove(c->out, c->out + n, c->out_length);
  if (c->out_length > 0) return;
  free(c->out);
  c->out = NULL;
  c->out_capacity = 0;
  sent(c);
}

static void ready(struct source *source, uint32_t events) {
  struct connection *c = (struct connection *)source;
  if (events & EPOLLOUT) {
    send_rest(c);
    if (c->source.fd < 0) return;
  }
  if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR))) return;
  ssize_t n = read(c->source.fd, incoming, sizeof incoming);
  if (n > 0)
    take_in(c, incoming, (size_t)n);
  else if (n == 0 || (errno != EAGAIN && errno != EINTR))
    lost(c);
}

int connection_start(struct connection *c, int fd) {
  c->source = (struct source){.fd = fd, .ready = ready};
  return loop_watch(&c->source, EPOLLIN);
}

int connection_busy(const struct connection *c) { return c->out_length > 0; }

static void keep(struct connection *c, const uint8_t *data, size_t length) {
  if (length == 0) return;
  if (c->out_length + length > c->out_capacity) {
    uint8_t *grown = realloc(c->out, c->out_length + length);
    if (grown == NULL) {
      // A stream with a hole would be worse than none.
      lost(c);
      return;
    }
    c->out = grown;
    c->out_capacity = c->out_length + length;
  }
  memcpy(c->out + c->out_length, data, length);
  c->out_length += length;
  wait_for(c);
}

static void send_frame(struct connection *c, const uint8_t *frame, size_t length) {
  if (c->source.fd < 0 || c->close_when_sent) return;
  size_t done = 0;
  if (c->out_length == 0) {
    ssize_t n = send(c->source.fd, frame, length, MSG_NOSIGNAL);
    // A broken connection is noticed by the loop, where nobody holds a pointer to what it belongs to.
    done = n > 0 ? (size_t)n : 0;
    if (n < 0 && errno != EAGAIN && errno != EINTR) return;
  }
  keep(c, frame + done, length - done);
}

void connection_send_scratch(struct connection *c, uint8_t type, size_t length) {
  scratch[0] = type;
  put_u32(scratch + 1, (uint32_t)length);
  send_frame(c, scratch, HEADER_BYTES + length);
}

void connection_send(struct connection *c, uint8_t type, const void *payload, size_t length) {
  uint8_t frame[HEADER_BYTES + 64];
  if (length > 64) abort();
  frame[0] = type;
  put_u32(frame + 1, (uint32_t)length);
  if (length > 0) memcpy(frame + HEADER_BYTES, payload, length);
  send_frame(c, frame, HEADER_BYTES + length);
}

void connection_finish(struct connection *c) {
  if (c->source.fd < 0) return;
  c->close_when_sent = 1;
  if (c->out_length == 0) wait_for_close(c);
}

void connection_close(struct connection *c) {
  loop_close(&c->source);
  free(c->out);
  free(c->payload);
  c->out = c->payload = NULL;
  c->out_length = c->out_capacity = c->header_length = 0;
}
