#define _GNU_SOURCE
// WATCH: a directory, a tree, or one file.
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "files.h"
#include "loop.h"
#include "stream.h"
#include "wire.h"

enum {
  // Both halves of a rename come together; a half alone was a move into or out of what is watched.
  RENAME_MS = 20,
  MAX_WATCHES = 1 << 16,
  MASK = IN_CREATE | IN_DELETE | IN_MODIFY | IN_ATTRIB | IN_OPEN | IN_CLOSE_WRITE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF,
};

// By watch descriptor: the path to report. NULL where nothing is watched any more.
static char **paths;
static int path_count;
static int inotify = -1, recursive;
// One file is watched through its directory, because programs replace files instead of writing them.
static const char *only_name, *only_path;
// The first half of a rename, waiting for the second.
static char pending[PATH_MAX];
static uint32_t pending_cookie;
static int pending_is_directory;

static void report(enum event_kind kind, const char *path, const char *second) {
  size_t first_length = strlen(path), second_length = strlen(second);
  uint8_t *at = scratch + HEADER_BYTES;
  at[0] = (uint8_t)kind;
  put_u32(at + 1, (uint32_t)first_length);
  memcpy(at + 5, path, first_length);
  put_u32(at + 5 + first_length, (uint32_t)second_length);
  memcpy(at + 9 + first_length, second, second_length);
  stream_send_scratch(EVENT, 9 + first_length + second_length);
}

static int join(char out[PATH_MAX], const char *directory, const char *name) {
  size_t length = strlen(directory);
  int written = snprintf(out, PATH_MAX, "%s%s%s", directory, length > 0 && directory[length - 1] == '/' ? "" : "/", name);
  return written < PATH_MAX ? 0 : -1;
}

static int watch_one(const char *real, const char *shown, uint32_t more) {
  int number = inotify_add_watch(inotify, real, MASK | more);
  if (number < 0) return -1;
  if (number >= path_count) {
    int wanted = number + 64;
    char **grown = number < MAX_WATCHES ? realloc(paths, (size_t)wanted * sizeof *paths) : NULL;
    if (grown == NULL) {
      errno = ENOSPC;
      return -1;
    }
    memset(grown + path_count, 0, (size_t)(wanted - path_count) * sizeof *paths);
    paths = grown;
    path_count = wanted;
  }
  free(paths[number]);
  paths[number] = strdup(shown);
  return paths[number] == NULL ? -1 : 0;
}

// Watches what is below. What it finds in a directory that is new itself has been missed by the watch, and is reported.
static int watch_below(const char *path, int is_new) {
  DIR *directory = opendir(path);
  if (directory == NULL) return errno == ENOENT || errno == ENOTDIR || errno == EACCES ? 0 : -1;
  int result = 0;
  for (struct dirent *each; result == 0 && (each = readdir(directory)) != NULL;) {
    char below[PATH_MAX];
    struct stat info;
    if (strcmp(each->d_name, ".") == 0 || strcmp(each->d_name, "..") == 0 || join(below, path, each->d_name) < 0) continue;
    if (is_new) report(EVENT_CREATE, below, "");
    if (lstat(below, &info) < 0 || !S_ISDIR(info.st_mode)) continue;
    if (watch_one(below, below, IN_DONT_FOLLOW | IN_ONLYDIR) < 0)
      result = errno == ENOENT || errno == ENOTDIR ? 0 : -1;
    else
      result = watch_below(below, is_new);
  }
  closedir(directory);
  return result;
}

static int is_below(const char *path, const char *directory) {
  size_t length = strlen(directory);
  return strncmp(path, directory, length) == 0 && (path[length] == 0 || path[length] == '/');
}

// A watched directory has another name now (watches stay with what they watch), or is out of sight (`to` is NULL).
static void moved(const char *from, const char *to) {
  for (int i = 0; i < path_count; i++) {
    if (paths[i] == NULL || !is_below(paths[i], from)) continue;
    char *rest = paths[i] + strlen(from);
    char *renamed = NULL;
    if (to == NULL)
      inotify_rm_watch(inotify, i);
    else if (asprintf(&renamed, "%s%s", to, rest) < 0)
      renamed = NULL;
    free(paths[i]);
    paths[i] = renamed;
  }
}

static void settle_pending(void) {
  if (pending_cookie == 0) return;
  pending_cookie = 0;
  report(EVENT_RENAME_FROM, pending, "");
  if (pending_is_directory) moved(pending, NULL);
}

static void new_directory(const char *path, int is_new) {
  if (!recursive) return;
  if (watch_one(path, path, IN_DONT_FOLLOW | IN_ONLYDIR) == 0) watch_below(path, is_new);
}

static void one_event(const struct inotify_event *event) {
  if (event->mask & IN_Q_OVERFLOW) {
    settle_pending();
    report(EVENT_UNKNOWN, only_path != NULL ? only_path : paths[1] != NULL ? paths[1] : "/", "");
    return;
  }
  if (event->wd < 0 || event->wd >= path_count || paths[event->wd] == NULL) return;
  if (event->mask & IN_IGNORED) {
    free(paths[event->wd]);
    paths[event->wd] = NULL;
    return;
  }
  const char *name = event->len > 0 ? event->name : "";
  int is_directory = (event->mask & IN_ISDIR) != 0;
  char path[PATH_MAX];
  if (only_name != NULL && strcmp(name, only_name) != 0) {
    // Perhaps the other half of a rename of the one.
    if (!(event->mask & IN_MOVED_TO) || event->cookie != pending_cookie) return;
  }
  if (name[0] == 0)
    snprintf(path, sizeof path, "%s", paths[event->wd]);
  else if (only_name != NULL && strcmp(name, only_name) == 0)
    snprintf(path, sizeof path, "%s", only_path);
  else if (join(path, paths[event->wd], name) < 0)
    return;
  if (event->mask & IN_MOVED_TO && pending_cookie == event->cookie && event->cookie != 0) {
    pending_cookie = 0;
    report(EVENT_RENAME, pending, path);
    if (is_directory) moved(pending, path);
    return;
  }
  settle_pending();
  if (event->mask & IN_MOVED_FROM) {
    memcpy(pending, path, strlen(path) + 1);
    pending_cookie = event->cookie;
    pending_is_directory = is_directory;
  } else if (event->mask & IN_MOVED_TO) {
    report(EVENT_RENAME_TO, path, "");
    if (is_directory) new_directory(path, 0);
  } else if (event->mask & IN_CREATE) {
    report(EVENT_CREATE, path, "");
    if (is_directory) new_directory(path, 1);
  } else if (event->mask & (IN_MODIFY | IN_ATTRIB)) {
    report(EVENT_MODIFY, path, "");
  } else if (event->mask & IN_DELETE) {
    report(EVENT_REMOVE, path, "");
  } else if (event->mask & (IN_DELETE_SELF | IN_MOVE_SELF)) {
    // Directories below are reported by the one above them.
    if (event->wd == 1 && only_name == NULL) report(event->mask & IN_DELETE_SELF ? EVENT_REMOVE : EVENT_RENAME_FROM, path, "");
  } else if (event->mask & (IN_OPEN | IN_CLOSE_WRITE) && !is_directory) {
    // Directories are opened by our own look at them, too.
    report(EVENT_ACCESS, path, "");
  }
}

static void events(void) {
  _Alignas(struct inotify_event) char buffer[16 << 10];
  ssize_t n = read(inotify, buffer, sizeof buffer);
  for (char *at = buffer; n > 0 && at < buffer + n;) {
    const struct inotify_event *event = (const struct inotify_event *)at;
    one_event(event);
    at += sizeof *event + event->len;
  }
}

void file_watch(struct reader *request) {
  recursive = read_u8(request);
  char *path = take_path(request);
  size_t length = strlen(path);
  while (length > 1 && path[length - 1] == '/') path[--length] = 0;
  struct stat info;
  char real[PATH_MAX];
  if (realpath(path, real) == NULL || stat(real, &info) < 0) stream_fail();
  inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  if (inotify < 0) stream_fail();
  if (!S_ISDIR(info.st_mode)) {
    char *slash = strrchr(real, '/');
    only_name = slash + 1;
    only_path = path;
    char *shown = strdup(path);
    if (shown == NULL) stream_fail();
    *strrchr(shown, '/') = 0;
    recursive = 0;
    *slash = 0;
    if (watch_one(real[0] == 0 ? "/" : real, shown, 0) < 0) stream_fail();
  } else if (watch_one(path, path, IN_ONLYDIR) < 0 || (recursive && watch_below(path, 0) < 0)) {
    stream_fail();
  }
  stream_send(DONE, NULL, 0);
  for (;;) {
    struct pollfd wait[] = {{.fd = inotify, .events = POLLIN}, {.fd = stream_fd(), .events = POLLIN}};
    int n = poll(wait, 2, pending_cookie != 0 ? RENAME_MS : -1);
    // The server sends nothing: it has gone.
    if (n > 0 && wait[1].revents != 0) _exit(0);
    if (n > 0)
      events();
    else if (n == 0)
      settle_pending();
    else if (errno != EINTR)
      _exit(1);
  }
}
