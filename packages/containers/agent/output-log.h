// Output of a process that is not in safety yet: it is sent, and sent again over another connection, until the server has taken it.
#ifndef OUTPUT_LOG_H
#define OUTPUT_LOG_H
#include <stddef.h>
#include <stdint.h>

#include "connection.h"

struct piece;

struct output_log {
  struct piece *first, *last;
  // The first that the connection has not been given whole.
  struct piece *unsent;
  size_t bytes;
};

// `frame` is STDOUT or STDERR, `offset` that of the data in its stream. -1 without memory.
int log_add(struct output_log *log, uint8_t frame, uint64_t offset, const uint8_t *data, size_t length);
// Gives the connection what it takes. 1 when nothing is unsent.
int log_send(struct output_log *log, struct connection *connection);
// What lies before the offsets is in safety.
void log_taken(struct output_log *log, uint64_t out, uint64_t err);
// The same for whoever comes with another connection: the rest is sent again, in the order in which it came.
void log_resume(struct output_log *log, uint64_t out, uint64_t err);
void log_free(struct output_log *log);

#endif
