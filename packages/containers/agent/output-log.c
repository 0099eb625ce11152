#include "output-log.h"

#include <stdlib.h>
#include <string.h>

#include "wire.h"

// Small writes share a piece.
enum { SMALL_PIECE = 4 << 10 };

struct piece {
  struct piece *next;
  uint64_t offset;
  size_t length, sent, capacity;
  uint8_t frame;
  uint8_t data[];
};

int log_add(struct output_log *log, uint8_t frame, uint64_t offset, const uint8_t *data, size_t length) {
  struct piece *p = log->last;
  if (p == NULL || p->frame != frame || p->capacity - p->length < length) {
    size_t capacity = length > SMALL_PIECE ? length : SMALL_PIECE;
    p = malloc(sizeof *p + capacity);
    if (p == NULL) return -1;
    *p = (struct piece){.offset = offset, .capacity = capacity, .frame = frame};
    if (log->last == NULL)
      log->first = p;
    else
      log->last->next = p;
    log->last = p;
  }
  memcpy(p->data + p->length, data, length);
  p->length += length;
  log->bytes += length;
  if (log->unsent == NULL) log->unsent = p;
  return 0;
}

int log_send(struct output_log *log, struct connection *connection) {
  while (log->unsent != NULL && !connection_busy(connection)) {
    struct piece *p = log->unsent;
    size_t length = p->length - p->sent;
    if (length > 0) {
      memcpy(scratch + HEADER_BYTES, p->data + p->sent, length);
      p->sent = p->length;
      connection_send_scratch(connection, p->frame, length);
    }
    log->unsent = p->next;
  }
  return log->unsent == NULL;
}

static uint64_t taken_of(const struct piece *p, uint64_t out, uint64_t err) { return p->frame == STDOUT ? out : err; }

static void drop_first(struct output_log *log) {
  struct piece *p = log->first;
  log->first = p->next;
  if (log->first == NULL) log->last = NULL;
  if (log->unsent == p) log->unsent = p->next;
  log->bytes -= p->length;
  free(p);
}

void log_taken(struct output_log *log, uint64_t out, uint64_t err) {
  // What it has not been sent it cannot have.
  while (log->first != NULL && log->first != log->unsent && log->first->offset + log->first->length <= taken_of(log->first, out, err))
    drop_first(log);
}

void log_resume(struct output_log *log, uint64_t out, uint64_t err) {
  struct output_log all = *log;
  *log = (struct output_log){0};
  for (struct piece *p = all.first, *next; p != NULL; p = next) {
    next = p->next;
    p->next = NULL;
    uint64_t taken = taken_of(p, out, err);
    if (p->offset + p->length <= taken) {
      free(p);
      continue;
    }
    p->sent = taken > p->offset ? (size_t)(taken - p->offset) : 0;
    if (log->last == NULL)
      log->first = log->unsent = p;
    else
      log->last->next = p;
    log->last = p;
    log->bytes += p->length;
  }
}

void log_free(struct output_log *log) {
  while (log->first != NULL) drop_first(log);
}
