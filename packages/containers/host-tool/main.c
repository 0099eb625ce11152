#define _GNU_SOURCE
#include "tool.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { MQUEUE_MAGIC = 0x19800202 };

void fail(const char *what) {
  fprintf(stderr, "%s: %s\n", what, strerror(errno));
  exit(1);
}

void refuse(const char *format, ...) {
  va_list values;
  va_start(values, format);
  vfprintf(stderr, format, values);
  va_end(values);
  fputc('\n', stderr);
  exit(1);
}

uint64_t number(const char *text) {
  char *end;
  errno = 0;
  unsigned long long value = strtoull(text, &end, 10);
  if (errno != 0 || *text < '0' || *text > '9' || *end != 0) refuse("\"%s\" is no number", text);
  return value;
}

int open_proc(const char *pid, const char *file, int flags) {
  char path[ROOT_PATH_MAX];
  snprintf(path, sizeof path, "/proc/%llu/%s", (unsigned long long)number(pid), file);
  int fd = open(path, flags | O_CLOEXEC);
  if (fd < 0) fail(path);
  return fd;
}

int open_inside(int root, const char *path, int flags) {
  struct open_how how = {.flags = (uint64_t)(flags | O_CLOEXEC), .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
  int fd;
  // The kernel gives up when something was renamed meanwhile.
  for (int tries = 0; tries < 100; tries++) {
    fd = (int)syscall(SYS_openat2, root, path, &how, sizeof how);
    if (fd >= 0 || errno != EAGAIN) break;
  }
  return fd;
}

int is_kernel_file_system(int fd) {
  struct statfs info;
  if (fstatfs(fd, &info) < 0) return 1;
  switch ((uint32_t)info.f_type) {
    case PROC_SUPER_MAGIC:
    case SYSFS_MAGIC:
    case CGROUP_SUPER_MAGIC:
    case CGROUP2_SUPER_MAGIC:
    case DEVPTS_SUPER_MAGIC:
    case MQUEUE_MAGIC:
    case NSFS_MAGIC:
      return 1;
    default:
      return 0;
  }
}

int main(int argc, char **argv) {
  static const struct {
    const char *name;
    // Negative: at least so many.
    int arguments;
    int (*run)(int, char **);
  } commands[] = {
      {"copy-upper", 4, copy_upper},
      {"copy-inside", 5, copy_inside},
      {"can-map", 1, can_map},
      {"mount-mapped", -4, mount_mapped},
      {"mount", 7, mount_inside},
      {"unmount", 2, unmount_inside},
      {"slot", -7, make_slot},
      {"rootfs", 1, mount_rootfs},
  };
  for (size_t i = 0; argc > 1 && i < sizeof commands / sizeof *commands; i++) {
    int wanted = commands[i].arguments, given = argc - 2;
    if (strcmp(argv[1], commands[i].name) == 0 && (wanted < 0 ? given >= -wanted : given == wanted)) return commands[i].run(given, argv + 2);
  }
  refuse("usage: lydian-host can-map|copy-inside|copy-upper|mount|mount-mapped|rootfs|slot|unmount …");
}
