#define _GNU_SOURCE
// LIST and STAT.
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "files.h"
#include "loop.h"
#include "owners.h"
#include "stream.h"
#include "wire.h"

static uint8_t *put_string(uint8_t *at, const char *text, size_t length) {
  put_u32(at, (uint32_t)length);
  memcpy(at + 4, text, length);
  return at + 4 + length;
}

// u32 mode, u64 size, i64 seconds and u32 nanoseconds of the last change, u32 uid, u32 gid, then strings: owner, group,
// text of the link, name.
static void send_entry(int directory, const char *name, const char *shown, const struct stat *info) {
  char link[PATH_MAX];
  ssize_t link_length = S_ISLNK(info->st_mode) ? readlinkat(directory, name, link, sizeof link) : 0;
  if (link_length < 0) link_length = 0;
  uint8_t *at = scratch + HEADER_BYTES;
  put_u32(at, info->st_mode);
  put_u64(at + 4, (uint64_t)info->st_size);
  put_u64(at + 12, (uint64_t)info->st_mtim.tv_sec);
  put_u32(at + 20, (uint32_t)info->st_mtim.tv_nsec);
  put_u32(at + 24, info->st_uid);
  put_u32(at + 28, info->st_gid);
  at += 32;
  const char *owner = owner_name(info->st_uid);
  at = put_string(at, owner, strlen(owner));
  const char *group = group_name(info->st_gid);
  at = put_string(at, group, strlen(group));
  at = put_string(at, link, (size_t)link_length);
  at = put_string(at, shown, strlen(shown));
  stream_send_scratch(ENTRY, (size_t)(at - scratch - HEADER_BYTES));
}

void file_list(struct reader *request) {
  char *path = take_path(request);
  DIR *directory = opendir(path);
  if (directory == NULL) stream_fail();
  for (;;) {
    errno = 0;
    struct dirent *each = readdir(directory);
    if (each == NULL) break;
    if (strcmp(each->d_name, ".") == 0 || strcmp(each->d_name, "..") == 0) continue;
    struct stat info;
    // Removed since it was read.
    if (fstatat(dirfd(directory), each->d_name, &info, AT_SYMLINK_NOFOLLOW) < 0) continue;
    send_entry(dirfd(directory), each->d_name, each->d_name, &info);
  }
  if (errno != 0) stream_fail();
  stream_done();
}

void file_stat(struct reader *request) {
  int follow = read_u8(request);
  char *path = take_path(request);
  struct stat info;
  if (fstatat(AT_FDCWD, path, &info, follow ? 0 : AT_SYMLINK_NOFOLLOW) < 0) stream_fail();
  const char *slash = strrchr(path, '/');
  send_entry(AT_FDCWD, path, slash[1] == 0 ? path : slash + 1, &info);
  stream_done();
}
