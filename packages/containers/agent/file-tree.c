#define _GNU_SOURCE
// MKDIR, REMOVE, RENAME, COPY.
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "files.h"
#include "loop.h"
#include "stream.h"
#include "wire.h"

// Each level holds a descriptor. Deeper trees are taken apart from the top (remove) or refused (copy).
enum { MAX_DEPTH = 200 };

// Of a link too it is the link that is meant, so "link/" becomes "link". The root stays.
static char *without_slashes(char *path) {
  size_t length = strlen(path);
  while (length > 1 && path[length - 1] == '/') path[--length] = 0;
  return path;
}

int make_parents(char *path) {
  for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
    *slash = 0;
    int made = mkdir(path, 0755) == 0, error = errno;
    struct stat info;
    // What is there already may be a directory that we could not have made: a mount, say.
    if (!made && stat(path, &info) == 0) {
      made = S_ISDIR(info.st_mode);
      error = ENOTDIR;
    }
    *slash = '/';
    if (made) continue;
    errno = error;
    return -1;
  }
  return 0;
}

void file_make_directory(struct reader *request) {
  int parents = read_u8(request);
  uint32_t mode = read_u32(request) & 07777;
  char *path = without_slashes(take_path(request));
  if (parents && make_parents(path) < 0) stream_fail();
  if (mkdir(path, 0700) < 0) {
    int error = errno;
    struct stat info;
    if (!parents || error != EEXIST || stat(path, &info) < 0 || !S_ISDIR(info.st_mode)) stream_fail_at(STEP_FILE, error);
  } else if (chmod(path, mode) < 0) {
    stream_fail();
  }
  stream_done();
}

static int remove_below(int directory, int top, int depth);

static int remove_entry(int directory, const char *name, int top, int depth) {
  if (unlinkat(directory, name, 0) == 0) return 0;
  if (errno != EISDIR && errno != EPERM) return -1;
  int error = errno;
  int fd = openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) {
    errno = errno == ENOTDIR ? error : errno;
    return -1;
  }
  if (remove_below(fd, top < 0 ? fd : top, depth + 1) < 0) return -1;
  return unlinkat(directory, name, AT_REMOVEDIR);
}

// Empties the directory and closes it.
static int remove_below(int directory, int top, int depth) {
  static unsigned moved;
  DIR *entries = fdopendir(directory);
  if (entries == NULL) return -1;
  int again = 1;
  while (again) {
    again = 0;
    rewinddir(entries);
    for (;;) {
      errno = 0;
      struct dirent *each = readdir(entries);
      if (each == NULL) break;
      if (strcmp(each->d_name, ".") == 0 || strcmp(each->d_name, "..") == 0) continue;
      if (depth >= MAX_DEPTH && each->d_type != DT_REG && each->d_type != DT_LNK) {
        // Too deep to go on: brought up to the top, where another round finds it.
        char name[64];
        snprintf(name, sizeof name, ".lydian-%d-%u.removed", (int)getpid(), moved++);
        if (renameat(directory, each->d_name, top, name) < 0) return -1;
      } else if (remove_entry(directory, each->d_name, top, depth) < 0 && errno != ENOENT) {
        return -1;
      }
      again = directory == top;
    }
    if (errno != 0) return -1;
  }
  return closedir(entries);
}

int remove_tree(const char *path) { return remove_entry(AT_FDCWD, path, -1, 0); }

void file_remove(struct reader *request) {
  int recursive = read_u8(request);
  char *path = without_slashes(take_path(request));
  if (path[1] == 0) stream_fail_at(STEP_FILE, EBUSY);
  struct stat info;
  if (lstat(path, &info) < 0) stream_fail();
  if (!S_ISDIR(info.st_mode)) {
    if (unlink(path) < 0) stream_fail();
  } else if ((recursive ? remove_tree(path) : rmdir(path)) < 0) {
    stream_fail_at(STEP_FILE, errno == EEXIST ? ENOTEMPTY : errno);
  }
  stream_done();
}

int copy_content(int from, int to) {
  for (;;) {
    ssize_t n = copy_file_range(from, NULL, to, NULL, 1 << 30, 0);
    if (n == 0) return 0;
    if (n > 0) continue;
    if (errno == EINTR) continue;
    break;
  }
  // Not between these two: by hand, from where it stopped.
  for (;;) {
    ssize_t n = read(from, scratch, CHUNK_BYTES);
    if (n == 0) return 0;
    if (n < 0 && errno != EINTR) return -1;
    for (ssize_t done = 0; done < n;) {
      ssize_t m = write(to, scratch + done, (size_t)(n - done));
      if (m < 0 && errno != EINTR) return -1;
      if (m > 0) done += m;
    }
  }
}

static int copy_entry(int from, const char *name, int to, const char *new_name, int depth);

static int copy_below(int from, int to, int depth) {
  if (depth > MAX_DEPTH) {
    errno = ELOOP;
    return -1;
  }
  DIR *entries = fdopendir(from);
  if (entries == NULL) return -1;
  for (;;) {
    errno = 0;
    struct dirent *each = readdir(entries);
    if (each == NULL) break;
    if (strcmp(each->d_name, ".") == 0 || strcmp(each->d_name, "..") == 0) continue;
    if (copy_entry(from, each->d_name, to, each->d_name, depth) < 0) return -1;
  }
  return errno == 0 ? closedir(entries) : -1;
}

static int copy_entry(int from, const char *name, int to, const char *new_name, int depth) {
  struct stat info;
  if (fstatat(from, name, &info, AT_SYMLINK_NOFOLLOW) < 0) return -1;
  if (S_ISLNK(info.st_mode)) {
    char text[PATH_MAX];
    ssize_t length = readlinkat(from, name, text, sizeof text - 1);
    if (length < 0) return -1;
    text[length] = 0;
    unlinkat(to, new_name, 0);
    return symlinkat(text, to, new_name);
  }
  if (S_ISDIR(info.st_mode)) {
    if (mkdirat(to, new_name, 0700) < 0 && errno != EEXIST) return -1;
    int source = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int target = openat(to, new_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (source < 0 || target < 0 || copy_below(source, target, depth + 1) < 0) return -1;
    if (fchmod(target, info.st_mode & 07777) < 0) return -1;
    return close(target);
  }
  if (!S_ISREG(info.st_mode)) return 0;  // Sockets, pipes and devices have no content to copy.
  int source = openat(from, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
  int target = openat(to, new_name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (source < 0 || target < 0 || copy_content(source, target) < 0) return -1;
  if (fchmod(target, info.st_mode & 07777) < 0) return -1;
  close(source);
  return close(target);
}

int copy_tree(const char *from, const char *to) { return copy_entry(AT_FDCWD, from, AT_FDCWD, to, 0); }

void file_rename(struct reader *request) {
  char *from = without_slashes(take_path(request)), *to = without_slashes(take_path(request));
  if (rename(from, to) < 0) {
    if (errno != EXDEV) stream_fail();
    if (copy_tree(from, to) < 0) stream_fail_at(STEP_TARGET, errno);
    if (remove_tree(from) < 0) stream_fail();
  }
  stream_done();
}

void file_copy(struct reader *request) {
  int recursive = read_u8(request);
  char *from = without_slashes(take_path(request)), *to = without_slashes(take_path(request));
  char real_from[PATH_MAX], real_to[PATH_MAX];
  struct stat info;
  // What a link leads to is copied, not the link: as `cp` does for what it is told by name.
  if (realpath(from, real_from) == NULL || stat(real_from, &info) < 0) stream_fail();
  if (S_ISDIR(info.st_mode) && !recursive) stream_fail_at(STEP_FILE, EISDIR);
  size_t length = strlen(real_from);
  if (realpath(to, real_to) != NULL && strncmp(real_from, real_to, length) == 0 &&
      (real_to[length] == 0 || (S_ISDIR(info.st_mode) && (length == 1 || real_to[length] == '/'))))
    stream_fail_at(STEP_TARGET, EINVAL);
  if (S_ISDIR(info.st_mode) && strncmp(real_from, to, length) == 0 && (length == 1 || to[length] == '/')) stream_fail_at(STEP_TARGET, EINVAL);
  if (copy_tree(real_from, to) < 0) stream_fail_at(STEP_TARGET, errno);
  stream_done();
}
