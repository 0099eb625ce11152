#define _GNU_SOURCE
// The file system of a container whose ids are mapped: its root directory and what is bound into it, with the ids of the machine's files
// shown as the container's own. Files stay as they are: mounts translate.
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tool.h"

int mount(const char *source, const char *target, const char *type, unsigned long flags, const void *data);
enum { FLAG_RDONLY = 1, FLAG_NOSUID = 2, FLAG_NODEV = 4, FLAG_NOEXEC = 8 };

static void map(pid_t pid, const char *file, uint32_t ids) {
  char path[ROOT_PATH_MAX], text[64];
  snprintf(path, sizeof path, "/proc/%d/%s", pid, file);
  int length = snprintf(text, sizeof text, "0 %u 65536\n", ids);
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0 || write(fd, text, (size_t)length) != length) fail(path);
  close(fd);
}

int id_map(uint32_t ids) {
  int ready[2];
  if (pipe2(ready, O_CLOEXEC) < 0) fail("pipe");
  pid_t child = fork();
  if (child < 0) fail("fork");
  if (child == 0) {
    char ok = unshare(CLONE_NEWUSER) == 0;
    if (write(ready[1], &ok, 1) != 1) _exit(1);
    for (;;) pause();
  }
  char ok = 0;
  if (read(ready[0], &ok, 1) != 1 || !ok) refuse("no user namespace can be made");
  map(child, "uid_map", ids);
  map(child, "gid_map", ids);
  char path[ROOT_PATH_MAX];
  snprintf(path, sizeof path, "/proc/%d/ns/user", child);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) fail(path);
  kill(child, SIGKILL);
  waitpid(child, NULL, 0);
  close(ready[0]);
  close(ready[1]);
  return fd;
}

static int clone_mount(const char *path) {
  int tree = (int)syscall(SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
  if (tree < 0) fail(path);
  return tree;
}

static int translate(int tree, int map) {
  struct mount_attr attributes = {.attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)map};
  return (int)syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attributes, sizeof attributes);
}

int clone_mapped(const char *path, int map) {
  int tree = clone_mount(path);
  if (translate(tree, map) < 0) refuse("the file system of %s cannot translate ids: %s", path, strerror(errno));
  return tree;
}

// "ro:PATH" or "rw:PATH". What is only read may be in a file system that cannot translate: it seems to be nobody's, with the same modes.
static int clone_bind(const char *bind, int map) {
  int writable = strncmp(bind, "rw:", 3) == 0;
  if (!writable && strncmp(bind, "ro:", 3) != 0) refuse("the bind %s is neither ro: nor rw:", bind);
  if (writable) return clone_mapped(bind + 3, map);
  int tree = clone_mount(bind + 3);
  if (translate(tree, map) < 0 && errno != EINVAL) fail(bind);
  return tree;
}

void attach(int tree, const char *path) {
  if (syscall(SYS_move_mount, tree, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH) < 0) fail(path);
  close(tree);
}

static void make_place(int tree, const char *path) {
  struct stat info;
  if (fstat(tree, &info) < 0) fail(path);
  int made = S_ISDIR(info.st_mode) ? mkdir(path, 0755) : mknod(path, S_IFREG | 0644, 0);
  if (made < 0) fail(path);
}

// DIRECTORY: whether ids of its files can be translated.
int can_map(int argc, char **argv) {
  (void)argc;
  close(clone_mapped(argv[0], id_map(1 << 28)));
  return 0;
}

// Writes the name that a layer's link has: its number in base 36, as in the overlay's options.
static void layer_name(char *name, size_t size, const char *before, int layer) {
  const char *digits = "0123456789abcdefghijklmnopqrstuvwxyz";
  if (layer < 36) snprintf(name, size, "%s%c", before, digits[layer]);
  else snprintf(name, size, "%s%c%c", before, digits[layer / 36], digits[layer % 36]);
}

// IDS PLACE LAYERS OPTIONS BIND… in the slot's directory. Covers PLACE, which every user can reach, with an empty file system, and mounts there
// the layers (l/0, l/1, …), with them the root directory (rootfs), the binds (b/0, …) and the network's part of /sys (sys).
int mount_mapped(int argc, char **argv) {
  uint32_t ids = (uint32_t)number(argv[0]);
  const char *place = argv[1];
  int layers = (int)number(argv[2]), binds = argc - 4;
  int map = id_map(ids);
  int *trees = calloc((size_t)(layers + binds + 1), sizeof *trees);
  if (trees == NULL) fail("memory");
  char path[4096];
  for (int i = 0; i < layers; i++) {
    layer_name(path, sizeof path, "", i);
    trees[i] = clone_mapped(path, map);
  }
  for (int i = 0; i < binds; i++) trees[layers + i] = clone_bind(argv[4 + i], map);
  int writable = clone_mount("W");
  if (chown("W/u", ids, ids) < 0 || chown("W/w", ids, ids) < 0) fail("W");

  if (mount("lydian", place, "tmpfs", FLAG_NOSUID | FLAG_NODEV, "mode=755") < 0 || chdir(place) < 0) fail(place);
  for (const char *const *each = (const char *const[]){"l", "b", "W", "sys", "rootfs", NULL}; *each != NULL; each++)
    if (mkdir(*each, 0755) < 0) fail(*each);
  attach(writable, "W");
  for (int i = 0; i < layers + binds; i++) {
    if (i < layers) layer_name(path, sizeof path, "l/", i);
    else snprintf(path, sizeof path, "b/%d", i - layers);
    make_place(trees[i], path);
    attach(trees[i], path);
  }
  if (chdir("l") < 0) fail("l");
  if (mount("lydian", "../rootfs", "overlay", FLAG_NODEV, argv[3]) < 0) fail("cannot mount the layers");
  if (chdir("..") < 0 || mount("sysfs", "sys", "sysfs", FLAG_RDONLY | FLAG_NOSUID | FLAG_NODEV | FLAG_NOEXEC, NULL) < 0) fail("sysfs");
  return 0;
}
