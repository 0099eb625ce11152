// A connection to the server that carries frames, non-blocking in both directions.
#ifndef CONNECTION_H
#define CONNECTION_H
#include <stddef.h>
#include <stdint.h>

#include "loop.h"

struct connection {
  struct source source;
  // One frame that is coming in.
  uint8_t header[5];
  size_t header_length;
  uint8_t *payload;
  size_t payload_length, payload_size;
  size_t max_payload;
  // What the socket has not taken yet.
  uint8_t *out;
  size_t out_length, out_capacity;
  int close_when_sent;
  void (*on_frame)(struct connection *, uint8_t type, const uint8_t *payload, size_t length);
  // All that was given to `connection_send` is in the socket.
  void (*on_drained)(struct connection *);
  // The server has gone, or has broken the rules. The connection is closed already.
  void (*on_closed)(struct connection *);
};

// -1 with errno: EAGAIN when the server has many others to accept first.
int connect_to_server(void);

// Takes over a connected socket. The callbacks and `max_payload` are set before.
int connection_start(struct connection *connection, int fd);
void connection_send(struct connection *connection, uint8_t type, const void *payload, size_t length);
// The same for what lies in `scratch` behind its header.
void connection_send_scratch(struct connection *connection, uint8_t type, size_t length);
// Whether something waits for the socket: then nothing more should be produced.
int connection_busy(const struct connection *connection);
// Closes when everything has been sent. No callback after it but `on_closed`.
void connection_finish(struct connection *connection);
// Closes now, without a callback.
void connection_close(struct connection *connection);

#endif
