#define _GNU_SOURCE
// Puts a directory into the file system of a running container, and takes it away again. The container is hostile: it may rename and
// link what it likes while it runs.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tool.h"

// <linux/mount.h> and <sys/mount.h> exclude each other in some versions of glibc.
int mount(const char *source, const char *target, const char *type, unsigned long flags, const void *data);
int umount2(const char *target, int flags);
enum { FLAG_NODEV = 4, LAZY = 2, NO_FOLLOW = 8 };

// How a mount of ours is known again: containers can make none.
static const char SOURCE[] = "lydian-directory";

static void enter(int namespace, const char *what) {
  if (setns(namespace, CLONE_NEWNS) < 0) fail(what);
}

static void own(int fd, uint32_t ids) {
  if (fchown(fd, ids, ids) < 0) fail("cannot set the owner of a directory");
}

static void make(int parent, const char *name, uint32_t ids) {
  if (mkdirat(parent, name, 0755) < 0) {
    if (errno == EEXIST) return;
    fail(name);
  }
  int made = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (made < 0) fail(name);
  own(made, ids);
  close(made);
}

// Opens the directory at `path` below the root, which is made with its parents when it is missing.
static int target_of(int root, char *path, uint32_t ids) {
  size_t length = strlen(path);
  for (size_t end = 1; end <= length; end++) {
    if (path[end] != '/' && path[end] != 0) continue;
    char kept = path[end];
    path[end] = 0;
    int fd = open_inside(root, path, O_PATH | O_DIRECTORY);
    if (fd < 0 && errno == ENOENT) {
      char *slash = strrchr(path, '/');
      *slash = 0;
      int parent = open_inside(root, *path == 0 ? "/" : path, O_PATH | O_DIRECTORY);
      if (parent < 0) fail(path);
      if (is_kernel_file_system(parent)) refuse("%s is in a file system of the kernel", path);
      make(parent, slash + 1, ids);
      close(parent);
      *slash = '/';
      fd = open_inside(root, path, O_PATH | O_DIRECTORY);
    }
    if (fd < 0) fail(path);
    path[end] = kept;
    if (kept == 0) return fd;
    close(fd);
  }
  refuse("the path is empty");
}

// Puts a translated copy of each layer over its link, which becomes a directory.
static void map_layers(uint32_t ids) {
  int map = id_map(ids);
  DIR *entries = opendir(".");
  if (entries == NULL) fail("the layers");
  for (struct dirent *entry; (entry = readdir(entries)) != NULL;) {
    if (*entry->d_name == '.' || strcmp(entry->d_name, "r") == 0) continue;
    int tree = clone_mapped(entry->d_name, map);
    if (unlinkat(AT_FDCWD, entry->d_name, 0) < 0 && errno != EISDIR) fail(entry->d_name);
    if (mkdir(entry->d_name, 0700) < 0 && errno != EEXIST) fail(entry->d_name);
    attach(tree, entry->d_name);
  }
  closedir(entries);
}

static int same_place(int a, int b) {
  struct statx x, y;
  if (statx(a, "", AT_EMPTY_PATH, STATX_MNT_ID | STATX_INO, &x) < 0 || statx(b, "", AT_EMPTY_PATH, STATX_MNT_ID | STATX_INO, &y) < 0)
    fail("cannot look at a directory");
  return x.stx_mnt_id == y.stx_mnt_id && x.stx_ino == y.stx_ino;
}

// PID SLOT_PID WORK_DIRECTORY STORE_DIRECTORY PATH OPTIONS IDS. In the work directory, seen from the slot's process, are the links of the layers
// and `r`, an empty directory; the store is a path from there, on the container's own disk.
int mount_inside(int argc, char **argv) {
  (void)argc;
  uint32_t ids = (uint32_t)number(argv[6]);
  int root = open_proc(argv[0], "root", O_PATH | O_DIRECTORY);
  int inside = open_proc(argv[0], "ns/mnt", O_RDONLY);
  int slot = open_proc(argv[1], "ns/mnt", O_RDONLY);
  int target = target_of(root, argv[4], ids);
  if (same_place(target, root)) refuse("%s is the root directory, which cannot be hidden", argv[4]);
  if (is_kernel_file_system(target)) refuse("%s is in a file system of the kernel", argv[4]);

  enter(slot, "cannot enter the slot");
  if (chdir(argv[2]) < 0) fail(argv[2]);
  char *part = argv[3];
  // The store's own parent is there; it and its two parts are made.
  char path[4096];
  if (mkdir(part, 0700) < 0) fail(part);
  for (const char *const *each = (const char *const[]){"u", "w", NULL}; *each != NULL; each++) {
    snprintf(path, sizeof path, "%s/%s", part, *each);
    make(AT_FDCWD, path, ids);
  }
  if (ids != 0) map_layers(ids);
  // The directory that is seen is the writable one: it is to look like the topmost layer.
  struct stat top;
  snprintf(path, sizeof path, "%s/u", part);
  if (stat("0", &top) < 0) fail("0");
  if (chown(path, top.st_uid, top.st_gid) < 0 || chmod(path, top.st_mode & 07777) < 0) fail("cannot prepare the directory");
  char *options;
  if (asprintf(&options, "%s,upperdir=%s/u,workdir=%s/w", argv[5], part, part) < 0) fail("cannot write the options");
  if (mount(SOURCE, "r", "overlay", FLAG_NODEV, options) < 0) fail("cannot mount the layers");
  int tree = (int)syscall(SYS_open_tree, AT_FDCWD, "r", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
  int error = errno;
  umount2("r", LAZY);
  errno = error;
  if (tree < 0) fail("cannot take the mount");

  enter(inside, "cannot enter the container");
  if (syscall(SYS_move_mount, tree, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0) fail(argv[4]);
  return 0;
}

// A path as mountinfo writes it, with \ooo for what would end a field.
static void unescape(char *path) {
  char *to = path;
  for (const char *from = path; *from != 0; to++) {
    if (from[0] == '\\' && from[1] != 0 && from[2] != 0 && from[3] != 0) {
      *to = (char)((from[1] - '0') * 64 + (from[2] - '0') * 8 + (from[3] - '0'));
      from += 4;
    } else {
      *to = *from++;
    }
  }
  *to = 0;
}

// PID PATH, while the container is frozen: what is looked at is what is taken away. Prints the options of the mount.
int unmount_inside(int argc, char **argv) {
  (void)argc;
  int root = open_proc(argv[0], "root", O_PATH | O_DIRECTORY);
  int inside = open_proc(argv[0], "ns/mnt", O_RDONLY);
  FILE *mounts = fdopen(open_proc(argv[0], "mountinfo", O_RDONLY), "r");
  if (mounts == NULL) fail("mountinfo");
  int target = open_inside(root, argv[1], O_PATH | O_DIRECTORY);
  if (target < 0) fail(argv[1]);
  struct statx info;
  if (statx(target, "", AT_EMPTY_PATH, STATX_MNT_ID, &info) < 0) fail(argv[1]);
  if (!(info.stx_attributes & STATX_ATTR_MOUNT_ROOT)) refuse("nothing is mounted at %s", argv[1]);
  // Holding it would make it busy.
  close(target);

  char *line = NULL;
  size_t size = 0;
  while (getline(&line, &size, mounts) > 0) {
    // ID PARENT MAJOR:MINOR ROOT PLACE OPTIONS … - TYPE SOURCE OPTIONS
    char *rest = line, *fields[5];
    for (int i = 0; i < 5; i++) fields[i] = strsep(&rest, " ");
    char *tail = rest == NULL ? NULL : strstr(rest, " - ");
    if (tail == NULL || number(fields[0]) != info.stx_mnt_id) continue;
    tail += 3;
    strsep(&tail, " ");
    char *source = strsep(&tail, " ");
    if (source == NULL || tail == NULL || strcmp(source, SOURCE) != 0) refuse("what is mounted at %s was not mounted into it while it ran", argv[1]);
    unescape(fields[4]);
    enter(inside, "cannot enter the container");
    int lazy = 0;
    if (umount2(fields[4], NO_FOLLOW) < 0) {
      if (errno != EBUSY) fail(argv[1]);
      lazy = 1;
      if (umount2(fields[4], NO_FOLLOW | LAZY) < 0) fail(argv[1]);
    }
    printf("%s %s", lazy ? "busy" : "free", tail);
    return 0;
  }
  refuse("nothing is mounted at %s", argv[1]);
}
