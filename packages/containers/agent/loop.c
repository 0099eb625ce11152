#include "loop.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "wire.h"

enum { ROUND = 64 };

uint8_t scratch[HEADER_BYTES + CHUNK_BYTES];

static int epoll_fd = -1;
static struct timer *timers;
static struct epoll_event round[ROUND];
static int round_size;

// Memory to free after the round.
static void **doomed;
static size_t doomed_count, doomed_capacity;

int loop_open(void) {
  epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  return epoll_fd;
}

int loop_watch(struct source *source, uint32_t events) {
  if (source->fd < 0 || events == source->events) return 0;
  // Without anything to wait for it leaves epoll, which would report hang-ups again and again otherwise.
  int change = events == 0 ? EPOLL_CTL_DEL : source->events == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
  struct epoll_event event = {.events = events, .data.ptr = source};
  if (epoll_ctl(epoll_fd, change, source->fd, &event) < 0) return -1;
  source->events = events;
  return 0;
}

void loop_forget(struct source *source) {
  loop_watch(source, 0);
  source->fd = -1;
  for (int i = 0; i < round_size; i++)
    if (round[i].data.ptr == source) round[i].data.ptr = NULL;
}

void loop_close(struct source *source) {
  int fd = source->fd;
  if (fd < 0) return;
  loop_forget(source);
  close(fd);
}

void loop_free(void *memory) {
  if (doomed_count == doomed_capacity) {
    size_t capacity = doomed_capacity ? doomed_capacity * 2 : 16;
    void **grown = realloc(doomed, capacity * sizeof *grown);
    if (grown == NULL) return;  // A leak is better than memory in use twice.
    doomed = grown;
    doomed_capacity = capacity;
  }
  doomed[doomed_count++] = memory;
}

static uint64_t now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void timer_stop(struct timer *timer) {
  for (struct timer **at = &timers; *at != NULL; at = &(*at)->next) {
    if (*at != timer) continue;
    *at = timer->next;
    return;
  }
}

void timer_start(struct timer *timer, unsigned ms) {
  timer_stop(timer);
  timer->due_ms = now_ms() + ms;
  timer->next = timers;
  timers = timer;
}

static int until_next_timer(void) {
  if (timers == NULL) return -1;
  uint64_t now = now_ms(), soonest = UINT64_MAX;
  for (struct timer *each = timers; each != NULL; each = each->next)
    if (each->due_ms < soonest) soonest = each->due_ms;
  if (soonest <= now) return 0;
  return soonest - now > INT_MAX ? INT_MAX : (int)(soonest - now);
}

static void fire_timers(void) {
  for (;;) {
    uint64_t now = now_ms();
    struct timer *due = timers;
    while (due != NULL && due->due_ms > now) due = due->next;
    if (due == NULL) return;
    timer_stop(due);
    due->fire(due);
  }
}

void loop_run(void) {
  for (;;) {
    round_size = epoll_wait(epoll_fd, round, ROUND, until_next_timer());
    if (round_size < 0) {
      if (errno != EINTR) abort();
      round_size = 0;
    }
    for (int i = 0; i < round_size; i++) {
      struct source *source = round[i].data.ptr;
      if (source != NULL) source->ready(source, round[i].events);
    }
    round_size = 0;
    if (timers != NULL) fire_timers();
    while (doomed_count > 0) free(doomed[--doomed_count]);
  }
}
