#define _GNU_SOURCE
#include "exec.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "connection.h"
#include "control.h"
#include "output-log.h"
#include "sink.h"
#include "spawn.h"
#include "wire.h"

// A background child that keeps a pipe open does not hold the exec for longer than this.
enum { DRAIN_MS = 100, MAX_ARGUMENTS = 1 << 16, MAX_STRING = 128 << 10 };
// What is kept beyond the window of a process that has ended: what children print during the drain, but for what is in the pipes then.
enum { REST_WINDOW = KEPT_WINDOW + (1 << 20) };

struct exec;

struct output {
  struct source source;
  struct exec *exec;
  enum frame frame;
  // After the drain: what lay in the pipe then, and is still to be delivered. -1 before.
  long left;
  // Bytes so far, where they are kept.
  uint64_t offset;
};

struct exec {
  struct connection connection;
  struct exec *next;
  uint8_t token[TOKEN_BYTES];
  pid_t pid;
  int pty;
  // Program not started yet: its status pipe.
  struct source status;
  int started;
  // stdin, and what the process has not taken of it.
  struct source in;
  uint8_t *input;
  size_t input_length;
  uint64_t input_received;
  int input_ended;
  struct output out[2];
  struct timer drain;
  int reaped, wait_status, exit_sent;
  // It is not to be started, and ends with its stream.
  int failed;
  // Destroyed, but perhaps still pointed to in this round.
  int gone;
  // Set where it lives on without its stream.
  char *note;
  struct output_log log;
};

static struct exec *all;

#define OWNER(pointer, member) ((struct exec *)((char *)(pointer)-offsetof(struct exec, member)))

static void remove_from_list(struct exec *e) {
  for (struct exec **at = &all; *at != NULL; at = &(*at)->next) {
    if (*at != e) continue;
    *at = e->next;
    return;
  }
}

static void close_input(struct exec *e) {
  loop_close(&e->in);
  free(e->input);
  e->input = NULL;
  e->input_length = 0;
}

static void kill_group(const struct exec *e, int number) {
  if (e->reaped || e->pid <= 0) return;
  // Before its setsid it is in our group, alone it is reached by its pid.
  if (kill(-e->pid, number) < 0) kill(e->pid, number);
}

static int attached(const struct exec *e) { return e->connection.source.fd >= 0; }

static void destroy(struct exec *e) {
  e->gone = 1;
  remove_from_list(e);
  log_free(&e->log);
  free(e->note);
  e->note = NULL;
  timer_stop(&e->drain);
  close_input(e);
  loop_close(&e->status);
  for (int i = 0; i < 2; i++) loop_close(&e->out[i].source);
  connection_close(&e->connection);
  loop_free(e);
}

static void on_closed(struct connection *c) {
  struct exec *e = (struct exec *)c;
  if (e->note != NULL && !e->failed) {
    // Who attaches is told again.
    e->exit_sent = 0;
    return;
  }
  kill_group(e, SIGKILL);
  destroy(e);
}

static void fail(struct exec *e, int step, int error) {
  uint8_t payload[5] = {(uint8_t)step};
  put_u32(payload + 1, (uint32_t)error);
  e->failed = 1;
  if (!attached(e)) {
    destroy(e);
    return;
  }
  connection_send(&e->connection, FAILED, payload, sizeof payload);
  connection_finish(&e->connection);
}

static void finish_when_done(struct exec *e) {
  if (!e->reaped || !e->started || e->exit_sent || e->out[0].source.fd >= 0 || e->out[1].source.fd >= 0) return;
  if (e->note != NULL && (!attached(e) || e->log.unsent != NULL)) return;
  e->exit_sent = 1;
  int signaled = WIFSIGNALED(e->wait_status);
  uint8_t payload[5] = {(uint8_t)signaled};
  put_u32(payload + 1, (uint32_t)(signaled ? WTERMSIG(e->wait_status) : WEXITSTATUS(e->wait_status)));
  connection_send(&e->connection, EXIT, payload, sizeof payload);
  if (e->note == NULL) connection_finish(&e->connection);
}

// --- output

static void end_output(struct output *o) {
  struct exec *e = o->exec;
  if (e->pty) close_input(e);
  loop_close(&o->source);
  finish_when_done(e);
}

// Delivered is what counted. A pipe that somebody may still write into goes on being emptied, or its next word would kill them.
static void leave_output(struct output *o) {
  struct exec *e = o->exec;
  if (!e->pty) {
    int fd = o->source.fd;
    loop_forget(&o->source);
    sink_open(fd);
  }
  end_output(o);
}

static int may_read(const struct output *o) {
  const struct exec *e = o->exec;
  if (e->note == NULL) return !connection_busy(&e->connection);
  return e->log.bytes < KEPT_WINDOW || (e->reaped && (o->left >= 0 || e->log.bytes < REST_WINDOW));
}

static void send_kept(struct exec *e) {
  if (attached(e) && log_send(&e->log, &e->connection)) finish_when_done(e);
}

// What lies in `scratch` behind its header.
static void deliver(struct output *o, size_t length) {
  struct exec *e = o->exec;
  if (e->note == NULL) {
    connection_send_scratch(&e->connection, (uint8_t)o->frame, length);
  } else if (log_add(&e->log, (uint8_t)o->frame, o->offset, scratch + HEADER_BYTES, length) < 0) {
    // A stream with a hole would be worse than none.
    kill_group(e, SIGKILL);
    destroy(e);
  } else {
    o->offset += length;
    send_kept(e);
  }
}

static void output_ready(struct source *source, uint32_t events) {
  struct output *o = (struct output *)source;
  (void)events;
  if (!may_read(o)) {
    loop_watch(source, 0);
    return;
  }
  size_t most = CHUNK_BYTES;
  if (o->left >= 0 && (size_t)o->left < most) most = (size_t)o->left;
  ssize_t n = read(source->fd, scratch + HEADER_BYTES, most);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  // A terminal whose other side is closed answers EIO.
  if (n <= 0) {
    end_output(o);
    return;
  }
  deliver(o, (size_t)n);
  if (source->fd < 0) return;
  if (o->left >= 0 && (o->left -= n) <= 0) leave_output(o);
}

static void watch_outputs(struct exec *e) {
  for (int i = 0; i < 2; i++)
    if (e->started) loop_watch(&e->out[i].source, EPOLLIN);
}

static void on_drained(struct connection *c) {
  struct exec *e = (struct exec *)c;
  if (e->note != NULL) send_kept(e);
  if (!e->gone) watch_outputs(e);
}

static void drain_over(struct timer *timer) {
  struct exec *e = OWNER(timer, drain);
  for (int i = 0; i < 2; i++) {
    struct output *o = &e->out[i];
    if (o->source.fd < 0) continue;
    int available = 0;
    if (ioctl(o->source.fd, FIONREAD, &available) < 0) available = 0;
    o->left = available;
    if (available == 0) leave_output(o);
    if (e->gone || (e->note == NULL && !attached(e))) return;
  }
  if (e->note != NULL) watch_outputs(e);
}

// --- input

static void stop_input(struct exec *e) {
  if (e->in.fd < 0) return;
  close_input(e);
  connection_send(&e->connection, STDIN_CLOSED, NULL, 0);
}

static void send_end_of_file(struct exec *e) {
  struct termios settings;
  uint8_t end = 4;
  if (tcgetattr(e->in.fd, &settings) == 0) end = settings.c_cc[VEOF];
  if (write(e->in.fd, &end, 1) < 0) return;
}

static void push_input(struct exec *e) {
  if (e->in.fd < 0) return;
  if (e->input_length > 0) {
    ssize_t n = write(e->in.fd, e->input, e->input_length);
    if (n < 0) {
      if (errno == EAGAIN || errno == EINTR)
        loop_watch(&e->in, EPOLLOUT);
      else
        stop_input(e);
      return;
    }
    e->input_length -= (size_t)n;
    memmove(e->input, e->input + n, e->input_length);
    uint8_t taken[4];
    put_u32(taken, (uint32_t)n);
    connection_send(&e->connection, STDIN_TAKEN, taken, sizeof taken);
    if (e->input_length > 0) {
      loop_watch(&e->in, EPOLLOUT);
      return;
    }
    free(e->input);
    e->input = NULL;
  }
  if (e->input_ended && e->pty) {
    send_end_of_file(e);
    e->input_ended = 0;
  } else if (e->input_ended) {
    close_input(e);
    return;
  }
  // A pipe without readers says so even when nothing is to be written.
  loop_watch(&e->in, 0);
}

static void input_ready(struct source *source, uint32_t events) {
  (void)events;
  push_input(OWNER(source, in));
}

static void take_input(struct exec *e, const uint8_t *data, size_t length) {
  if (e->in.fd < 0 || e->input_ended || length == 0) return;
  uint8_t *grown = e->input_length + length > STDIN_WINDOW ? NULL : realloc(e->input, e->input_length + length);
  if (grown == NULL) {
    stop_input(e);
    return;
  }
  e->input = grown;
  memcpy(e->input + e->input_length, data, length);
  e->input_length += length;
  e->input_received += length;
  if (e->started) push_input(e);
}

static void on_frame(struct connection *c, uint8_t type, const uint8_t *payload, size_t length) {
  struct exec *e = (struct exec *)c;
  struct reader r = {payload, length, 0};
  if (type == STDIN) {
    take_input(e, payload, length);
  } else if (type == STDIN_END) {
    e->input_ended = 1;
    if (e->started) push_input(e);
  } else if (type == RESIZE && e->pty) {
    uint16_t rows = read_u16(&r), columns = read_u16(&r);
    if (!r.bad && e->out[0].source.fd >= 0) pty_resize(e->out[0].source.fd, rows, columns);
  } else if (type == SIGNAL) {
    int number = read_u8(&r);
    if (!r.bad) kill_group(e, number);
  } else if (type == TAKEN) {
    uint64_t out = read_u64(&r), err = read_u64(&r);
    if (r.bad) return;
    log_taken(&e->log, out, err);
    watch_outputs(e);
  }
}

// --- start and end

static void status_known(struct exec *e) {
  struct spawn_failure failure;
  ssize_t n = read(e->status.fd, &failure, sizeof failure);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  loop_close(&e->status);
  if (n == (ssize_t)sizeof failure) {
    fail(e, failure.step, failure.error);
    return;
  }
  e->started = 1;
  uint8_t pid[4];
  put_u32(pid, (uint32_t)e->pid);
  connection_send(&e->connection, STARTED, pid, sizeof pid);
  watch_outputs(e);
  push_input(e);
}

static void status_ready(struct source *source, uint32_t events) {
  (void)events;
  status_known(OWNER(source, status));
}

void exec_reaped(pid_t pid, int status) {
  struct exec *e = all;
  while (e != NULL && (e->pid != pid || e->reaped)) e = e->next;
  if (e == NULL) return;
  // It may have ended before we looked whether it began.
  if (!e->started) status_known(e);
  // Its pid may be another's from now on.
  if (e->failed) e->reaped = 1;
  if (e->gone || e->failed || (e->note == NULL && !attached(e))) return;
  e->reaped = 1;
  e->wait_status = status;
  if (!e->pty) close_input(e);
  control_exited(e->token);
  if (e->out[0].source.fd >= 0 || e->out[1].source.fd >= 0) timer_start(&e->drain, DRAIN_MS);
  finish_when_done(e);
}

int exec_signal_all(int number) {
  int count = 0;
  for (struct exec *e = all; e != NULL; e = e->next) {
    if (e->reaped) continue;
    kill_group(e, number);
    count++;
  }
  return count;
}

static char **read_strings(struct reader *r) {
  uint32_t count = read_u32(r);
  if (r->bad || count > MAX_ARGUMENTS) return NULL;
  char **list = calloc(count + 1, sizeof *list);
  for (uint32_t i = 0; list != NULL && i < count; i++) list[i] = read_string(r, MAX_STRING);
  return list;
}

static void free_strings(char **list) {
  for (char **each = list; each != NULL && *each != NULL; each++) free(*each);
  free(list);
}

static int start(struct exec *e, struct reader *r, struct spawn_failure *failure) {
  uint8_t flags = read_u8(r);
  struct program p = {.pty = (flags & EXEC_PTY) != 0, .has_user = (flags & EXEC_USER) != 0, .merge = (flags & EXEC_MERGE) != 0};
  p.rows = read_u16(r);
  p.columns = read_u16(r);
  p.uid = read_u32(r);
  p.gid = read_u32(r);
  p.workdir = read_string(r, 4095);
  p.argv = read_strings(r);
  p.env = read_strings(r);
  if (flags & EXEC_KEEP) e->note = read_string(r, MAX_NOTE);
  struct spawned s = {0};
  int result = -1;
  *failure = (struct spawn_failure){STEP_REQUEST, r->bad ? E2BIG : EINVAL};
  if (!r->bad && p.argv != NULL && p.argv[0] != NULL && p.env != NULL) result = spawn(&p, &s, failure);
  free(p.workdir);
  free_strings(p.argv);
  free_strings(p.env);
  if (result < 0) return -1;
  e->pid = s.pid;
  e->pty = p.pty;
  e->in = (struct source){.fd = s.in, .ready = input_ready};
  e->out[0].source = (struct source){.fd = s.out, .ready = output_ready};
  e->out[1].source = (struct source){.fd = s.err, .ready = output_ready};
  e->status = (struct source){.fd = s.status, .ready = status_ready};
  return loop_watch(&e->status, EPOLLIN);
}

void exec_open(int fd, const uint8_t *token, struct reader *request) {
  struct exec *e = calloc(1, sizeof *e);
  if (e == NULL) {
    close(fd);
    return;
  }
  memcpy(e->token, token, TOKEN_BYTES);
  e->in.fd = e->status.fd = -1;
  e->drain.fire = drain_over;
  for (int i = 0; i < 2; i++)
    e->out[i] = (struct output){.source.fd = -1, .exec = e, .frame = i == 0 ? STDOUT : STDERR, .left = -1};
  e->connection.max_payload = MAX_STREAM_PAYLOAD;
  e->connection.on_frame = on_frame;
  e->connection.on_drained = on_drained;
  e->connection.on_closed = on_closed;
  e->next = all;
  all = e;
  if (connection_start(&e->connection, fd) < 0) {
    destroy(e);
    return;
  }
  connection_send(&e->connection, TOKEN, token, TOKEN_BYTES);
  struct spawn_failure failure;
  if (start(e, request, &failure) < 0) fail(e, failure.step, failure.error);
}

// --- another stream for what lives on

static struct exec *find_kept(const uint8_t *token) {
  struct exec *e = all;
  while (e != NULL && (e->note == NULL || e->failed || memcmp(e->token, token, TOKEN_BYTES) != 0)) e = e->next;
  return e;
}

static void answer_closed(struct connection *c) { loop_free(c); }

static void answer_frame(struct connection *c, uint8_t type, const uint8_t *payload, size_t length) {
  (void)c, (void)type, (void)payload, (void)length;
}

// A stream on which there is only something to be said. NULL: it is closed.
static struct connection *answer_open(int fd, const uint8_t *token) {
  struct connection *c = calloc(1, sizeof *c);
  if (c == NULL) {
    close(fd);
    return NULL;
  }
  c->on_frame = answer_frame;
  c->on_closed = answer_closed;
  if (connection_start(c, fd) < 0) {
    connection_close(c);
    free(c);
    return NULL;
  }
  connection_send(c, TOKEN, token, TOKEN_BYTES);
  return c;
}

void exec_list(int fd, const uint8_t *token) {
  struct connection *c = answer_open(fd, token);
  if (c == NULL) return;
  for (struct exec *e = all; e != NULL; e = e->next) {
    if (e->note == NULL || e->failed) continue;
    size_t length = strlen(e->note);
    uint8_t *at = scratch + HEADER_BYTES;
    memcpy(at, e->token, TOKEN_BYTES);
    put_u32(at + TOKEN_BYTES, (uint32_t)length);
    memcpy(at + TOKEN_BYTES + 4, e->note, length);
    connection_send_scratch(c, KEPT, TOKEN_BYTES + 4 + length);
    if (c->source.fd < 0) return;
  }
  connection_send(c, DONE, NULL, 0);
  connection_finish(c);
}

void exec_attach(int fd, const uint8_t *token, struct reader *request) {
  struct exec *e = request->left < TOKEN_BYTES ? NULL : find_kept(request->at);
  if (e == NULL) {
    struct connection *c = answer_open(fd, token);
    if (c == NULL) return;
    uint8_t payload[5] = {STEP_REQUEST};
    put_u32(payload + 1, ESRCH);
    connection_send(c, FAILED, payload, sizeof payload);
    connection_finish(c);
    return;
  }
  request->at += TOKEN_BYTES;
  request->left -= TOKEN_BYTES;
  uint64_t out = read_u64(request), err = read_u64(request);
  connection_close(&e->connection);
  e->exit_sent = 0;
  if (connection_start(&e->connection, fd) < 0) {
    connection_close(&e->connection);
    return;
  }
  connection_send(&e->connection, TOKEN, token, TOKEN_BYTES);
  uint8_t attached_to[4 + 8 + 4 + 1 + 1];
  put_u32(attached_to, (uint32_t)e->pid);
  put_u64(attached_to + 4, e->input_received);
  put_u32(attached_to + 12, (uint32_t)e->input_length);
  attached_to[16] = e->in.fd < 0 || (e->input_ended && !e->pty);
  attached_to[17] = (uint8_t)e->reaped;
  connection_send(&e->connection, ATTACHED, attached_to, sizeof attached_to);
  if (!request->bad) log_resume(&e->log, out, err);
  send_kept(e);
  watch_outputs(e);
}

void exec_forget(const uint8_t *token) {
  struct exec *e = find_kept(token);
  if (e == NULL) return;
  kill_group(e, SIGKILL);
  destroy(e);
}
