#define _GNU_SOURCE
#include "control.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "bytes.h"
#include "connection.h"
#include "exec.h"
#include "files.h"
#include "forward.h"
#include "wire.h"

enum {
  // How long the server's socket may take to appear at boot.
  BOOT_MS = 10000,
  RECONNECT_MS = 50,
  // The longer the server is away, the less often it is looked for.
  SLOWEST_RECONNECT_MS = 1000,
  // As many as milliseconds fit.
  MAX_LIFE_S = 4000000,
  // The server accepts others first.
  RETRY_MS = 2,
  MAX_PENDING = 4096,
};

static struct sockaddr_un address = {.sun_family = AF_UNIX};
static struct connection control;
static uint8_t secret[SECRET_BYTES];
static int has_secret, refusing, has_life, welcomed;
static unsigned reconnect_ms = BOOT_MS, lost_for_ms;
static struct timer again, life;

// Streams that could not be opened yet.
struct pending {
  struct pending *next;
  size_t length;
  uint8_t request[];
};
static struct pending *first, **last = &first;
static int pending_count;
static struct timer retry;

static _Noreturn void give_up(const char *why) {
  fprintf(stderr, "lydian-agent: %s: %s\n", why, strerror(errno));
  exec_signal_all(SIGKILL);
  exit(111);
}

int connect_to_server(void) {
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0) return fd;
  int error = errno;
  close(fd);
  errno = error;
  return -1;
}

static void refuse(const uint8_t *token, int error) {
  uint8_t payload[TOKEN_BYTES + 4];
  memcpy(payload, token, TOKEN_BYTES);
  put_u32(payload + TOKEN_BYTES, (uint32_t)error);
  connection_send(&control, REFUSED, payload, sizeof payload);
}

void control_exited(const uint8_t *token) { connection_send(&control, EXITED, token, TOKEN_BYTES); }

void control_refuse(void) { refusing = 1; }

// 0 when it is under way or has been refused; -1 when it is to be tried again.
static int open_stream(const uint8_t *request, size_t length) {
  struct reader r = {request + TOKEN_BYTES + 1, length - TOKEN_BYTES - 1, 0};
  uint8_t operation = request[TOKEN_BYTES];
  int fd = connect_to_server();
  if (fd < 0) {
    if (errno == EAGAIN) return -1;
    refuse(request, errno);
  } else if (refusing) {
    close(fd);
    refuse(request, ESHUTDOWN);
  } else if (operation == OP_EXEC) {
    exec_open(fd, request, &r);
  } else if (operation == OP_ATTACH) {
    exec_attach(fd, request, &r);
  } else if (operation == OP_KEPT) {
    exec_list(fd, request);
  } else if (operation == OP_CONNECT) {
    forward_open(fd, request, &r);
  } else {
    int error = files_open(fd, request, operation, &r);
    if (error != 0) refuse(request, error);
  }
  return 0;
}

static void retry_pending(struct timer *timer) {
  while (first != NULL) {
    struct pending *p = first;
    if (open_stream(p->request, p->length) < 0) {
      timer_start(timer, RETRY_MS);
      return;
    }
    first = p->next;
    if (first == NULL) last = &first;
    pending_count--;
    free(p);
  }
}

static void open_requested(const uint8_t *payload, size_t length) {
  if (length <= TOKEN_BYTES) return;
  // In the order of the requests, so that none is overtaken for ever.
  if (first == NULL && open_stream(payload, length) == 0) return;
  struct pending *p = pending_count < MAX_PENDING ? malloc(sizeof *p + length) : NULL;
  if (p == NULL) {
    refuse(payload, EAGAIN);
    return;
  }
  p->next = NULL;
  p->length = length;
  memcpy(p->request, payload, length);
  *last = p;
  last = &p->next;
  pending_count++;
  timer_start(&retry, RETRY_MS);
}

static void on_frame(struct connection *c, uint8_t type, const uint8_t *payload, size_t length) {
  (void)c;
  struct reader r = {payload, length, 0};
  if (type == OPEN) {
    open_requested(payload, length);
  } else if (type == WELCOME && length == 2 + SECRET_BYTES) {
    unsigned ms = (unsigned)read_u16(&r) * 1000;
    if (!has_life) reconnect_ms = ms;
    memcpy(secret, r.at, SECRET_BYTES);
    has_secret = 1;
    welcomed = 1;
  } else if (type == LIFE && length == 4) {
    uint32_t seconds = read_u32(&r);
    has_life = 1;
    reconnect_ms = UINT_MAX;
    timer_start(&life, (seconds < MAX_LIFE_S ? seconds : MAX_LIFE_S) * 1000U);
  } else if (type == FORGET && length == TOKEN_BYTES) {
    exec_forget(payload);
  }
}

// With or without a server: nothing runs on beyond its time.
static void life_over(struct timer *timer) {
  (void)timer;
  exec_signal_all(SIGKILL);
  exit(0);
}

static void on_closed(struct connection *c) {
  (void)c;
  timer_stop(&retry);
  while (first != NULL) {
    struct pending *p = first;
    first = p->next;
    free(p);
  }
  last = &first;
  pending_count = 0;
  lost_for_ms = 0;
  if (reconnect_ms == 0) {
    // How an agent usually ends: nothing to complain about.
    exec_signal_all(SIGKILL);
    exit(0);
  }
  // A server that wants nothing of us is not asked again and again.
  timer_start(&again, welcomed ? 0 : SLOWEST_RECONNECT_MS);
  welcomed = 0;
}

static void connect_again(struct timer *timer) {
  int fd = connect_to_server();
  if (fd < 0) {
    if (lost_for_ms >= reconnect_ms) give_up(address.sun_path);
    unsigned wait_ms = lost_for_ms / 8;
    if (wait_ms < RECONNECT_MS) wait_ms = RECONNECT_MS;
    if (wait_ms > SLOWEST_RECONNECT_MS) wait_ms = SLOWEST_RECONNECT_MS;
    lost_for_ms += wait_ms;
    timer_start(timer, wait_ms);
    return;
  }
  control.max_payload = MAX_CONTROL_PAYLOAD;
  control.on_frame = on_frame;
  control.on_closed = on_closed;
  if (connection_start(&control, fd) < 0) give_up("epoll");
  uint8_t hello[1 + SECRET_BYTES] = {WIRE_VERSION};
  memcpy(hello + 1, secret, SECRET_BYTES);
  connection_send(&control, HELLO, hello, has_secret ? sizeof hello : 1);
}

void control_open(const char *path) {
  control.source.fd = -1;
  retry.fire = retry_pending;
  again.fire = connect_again;
  life.fire = life_over;
  size_t length = strlen(path);
  if (length < sizeof address.sun_path) {
    memcpy(address.sun_path, path, length + 1);
  } else {
    // A socket's address ends at 107 bytes. Nothing else of ours depends on the working directory.
    const char *name = strrchr(path, '/');
    char directory[4096];
    if (name == NULL || (size_t)(name - path) >= sizeof directory || strlen(name) > sizeof address.sun_path) {
      errno = ENAMETOOLONG;
      give_up(path);
    }
    memcpy(directory, path, (size_t)(name - path));
    directory[name - path] = 0;
    if (chdir(directory) < 0) give_up(directory);
    strcpy(address.sun_path, name + 1);
  }
  connect_again(&again);
}
