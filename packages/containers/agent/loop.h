// The one event loop: file descriptors, timers, and the end of what they belonged to.
#ifndef LOOP_H
#define LOOP_H
#include <stdint.h>

// A file descriptor that is waited for; embedded in what owns it. `ready` is called with epoll's events.
struct source {
  int fd;
  uint32_t events;
  void (*ready)(struct source *, uint32_t events);
};

struct timer {
  uint64_t due_ms;
  void (*fire)(struct timer *);
  struct timer *next;
};

int loop_open(void);
// Waits for `events` from now on; 0 waits for none. The first call adds the descriptor. -1 with errno.
int loop_watch(struct source *source, uint32_t events);
// Forgets and closes the descriptor. No error when there is none (-1).
void loop_close(struct source *source);
// Forgets the descriptor without closing it.
void loop_forget(struct source *source);
// Frees memory after this round, because events of the same round may still point to it.
void loop_free(void *memory);

void timer_start(struct timer *timer, unsigned ms);
void timer_stop(struct timer *timer);

_Noreturn void loop_run(void);

// For short-lived use by whoever holds the loop: one piece of a stream with a frame's header before it.
extern uint8_t scratch[];

#endif
