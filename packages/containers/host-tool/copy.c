#define _GNU_SOURCE
// Copies a directory of a container, whose content is hostile, to a layer. The container does not run meanwhile.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tool.h"

enum {
  // Each level holds three descriptors.
  MAX_DEPTH = 1000,
  MAX_FILES = 10 * 1000 * 1000,
  BUFFER = 1 << 20,
  MAX_VALUE = 64 << 10,
  LINK_BUCKETS = 1 << 14,
};

// A file with several names that has been copied: others become links to it.
struct linked {
  struct linked *next;
  dev_t device;
  ino_t inode;
  // Of a path below the target.
  char path[];
};

static struct {
  // Keep what an overlay mount notes about deletion; otherwise the directory is one that a container sees.
  int upper;
  uint64_t bytes, max_bytes, files;
  // Ids of the container are stored as this plus the id. 0: as they are.
  uint32_t ids;
  int target;
  struct linked *links[LINK_BUCKETS];
  char path[1 << 20];
} copy;

static void fail_at(const char *what) {
  int error = errno;
  refuse("%s %s: %s", what, copy.path[0] == 0 ? "the directory" : copy.path, strerror(error));
}

static void count_bytes(uint64_t bytes) {
  copy.bytes += bytes;
  if (copy.bytes > copy.max_bytes) refuse("it holds more than %llu MiB", (unsigned long long)(copy.max_bytes >> 20));
}

// Nobody has ids outside the container's.
static uint32_t inner_id(uint32_t id) {
  if (copy.ids == 0) return id;
  return id >= copy.ids && id - copy.ids < 65536 ? id - copy.ids : 65534;
}

static int is_opaque(const char *name) {
  return strcmp(name, "trusted.overlay.opaque") == 0 || strcmp(name, "user.overlay.opaque") == 0;
}

static int is_kept(const char *name) {
  if (is_opaque(name)) return copy.upper;
  if (strncmp(name, "user.overlay.", 13) == 0) return 0;
  if (strncmp(name, "system.posix_acl_", 17) == 0) return copy.ids == 0;
  return strncmp(name, "user.", 5) == 0 || strcmp(name, "security.capability") == 0;
}

// Capabilities that root of the container's ids has given become capabilities as such.
static ssize_t inner_capability(char *value, ssize_t length) {
  struct vfs_ns_cap_data data;
  if (copy.ids == 0 || length != sizeof data) return length;
  memcpy(&data, value, sizeof data);
  if ((data.magic_etc & VFS_CAP_REVISION_MASK) != VFS_CAP_REVISION_3) return length;
  data.magic_etc = (data.magic_etc & ~(uint32_t)VFS_CAP_REVISION_MASK) | VFS_CAP_REVISION_2;
  memcpy(value, &data, XATTR_CAPS_SZ_2);
  return XATTR_CAPS_SZ_2;
}

static void copy_attributes(int from, int to) {
  static char names[MAX_VALUE], value[MAX_VALUE];
  ssize_t length = flistxattr(from, names, sizeof names);
  if (length < 0) {
    if (errno == ENOTSUP) return;
    fail_at("cannot list the attributes of");
  }
  for (char *name = names; name < names + length; name += strlen(name) + 1) {
    if (!is_kept(name)) continue;
    ssize_t got = fgetxattr(from, name, value, sizeof value);
    if (got < 0) fail_at("cannot read an attribute of");
    count_bytes((uint64_t)got);
    if (strcmp(name, "security.capability") == 0) got = inner_capability(value, got);
    if (fsetxattr(to, name, value, (size_t)got, 0) < 0 && errno != ENOTSUP && errno != EPERM) fail_at("cannot set an attribute of");
  }
}

// Last of all: a change of owner takes capabilities and set-id bits away.
static void copy_metadata(int from, int to, const struct stat *info) {
  if (fchown(to, inner_id(info->st_uid), inner_id(info->st_gid)) < 0) fail_at("cannot set the owner of");
  if (fchmod(to, info->st_mode & 07777) < 0) fail_at("cannot set the mode of");
  copy_attributes(from, to);
  struct timespec times[2] = {info->st_atim, info->st_mtim};
  if (futimens(to, times) < 0) fail_at("cannot set the times of");
}

static void copy_range(int from, int to, off_t start, off_t end) {
  static char buffer[BUFFER];
  int by_kernel = 1;
  count_bytes((uint64_t)(end - start));
  while (start < end) {
    if (by_kernel) {
      loff_t in = start, out = start;
      ssize_t got = copy_file_range(from, &in, to, &out, (size_t)(end - start), 0);
      if (got > 0) {
        start += got;
        continue;
      }
      if (got == 0) return;
      by_kernel = 0;
    }
    size_t wanted = end - start < BUFFER ? (size_t)(end - start) : BUFFER;
    ssize_t got = pread(from, buffer, wanted, start);
    if (got < 0) fail_at("cannot read");
    if (got == 0) return;
    if (pwrite(to, buffer, (size_t)got, start) != got) fail_at("cannot write");
    start += got;
  }
}

// Holes stay holes.
static void copy_data(int from, int to, off_t size) {
  if (size == 0) return;
  if (ioctl(to, FICLONE, from) == 0) {
    count_bytes((uint64_t)size);
    return;
  }
  off_t at = 0;
  while (at < size) {
    off_t start = lseek(from, at, SEEK_DATA);
    if (start < 0 && errno == ENXIO) break;
    off_t end = start < 0 ? size : lseek(from, start, SEEK_HOLE);
    if (start < 0) start = at;
    if (end < 0 || end > size) end = size;
    if (start >= size) break;
    copy_range(from, to, start, end);
    at = end;
  }
  if (ftruncate(to, size) < 0) fail_at("cannot set the size of");
}

static int copy_as_link(int parent, const char *name, const struct stat *info) {
  if (info->st_nlink < 2) return 0;
  struct linked **bucket = &copy.links[(info->st_ino ^ info->st_dev) % LINK_BUCKETS];
  for (struct linked *each = *bucket; each != NULL; each = each->next) {
    if (each->inode != info->st_ino || each->device != info->st_dev) continue;
    if (linkat(copy.target, each->path, parent, name, 0) < 0) fail_at("cannot link");
    return 1;
  }
  size_t length = strlen(copy.path) + 1;
  struct linked *added = malloc(sizeof *added + length);
  if (added == NULL) fail_at("cannot remember");
  *added = (struct linked){.next = *bucket, .device = info->st_dev, .inode = info->st_ino};
  memcpy(added->path, copy.path, length);
  *bucket = added;
  return 0;
}

static void copy_file(int from_parent, int to_parent, const char *name, const struct stat *seen) {
  int from = openat(from_parent, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (from < 0) fail_at("cannot open");
  struct stat info;
  if (fstat(from, &info) < 0 || !S_ISREG(info.st_mode) || info.st_ino != seen->st_ino) refuse("%s changed while it was copied", copy.path);
  if (!copy_as_link(to_parent, name, &info)) {
    int to = openat(to_parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (to < 0) fail_at("cannot create");
    copy_data(from, to, info.st_size);
    copy_metadata(from, to, &info);
    close(to);
  }
  close(from);
}

static void copy_link(int from_parent, int to_parent, const char *name, const struct stat *info) {
  char text[4097];
  ssize_t length = readlinkat(from_parent, name, text, sizeof text - 1);
  if (length < 0) fail_at("cannot read the link");
  text[length] = 0;
  if (symlinkat(text, to_parent, name) < 0) fail_at("cannot create the link");
  struct timespec times[2] = {info->st_atim, info->st_mtim};
  if (fchownat(to_parent, name, inner_id(info->st_uid), inner_id(info->st_gid), AT_SYMLINK_NOFOLLOW) < 0) fail_at("cannot set the owner of");
  utimensat(to_parent, name, times, AT_SYMLINK_NOFOLLOW);
}

static void copy_special(int to_parent, const char *name, const struct stat *info, mode_t type) {
  if (mknodat(to_parent, name, type | (info->st_mode & 0777), 0) < 0) fail_at("cannot create");
  if (fchownat(to_parent, name, inner_id(info->st_uid), inner_id(info->st_gid), AT_SYMLINK_NOFOLLOW) < 0) fail_at("cannot set the owner of");
  if (type == S_IFIFO && fchmodat(to_parent, name, info->st_mode & 07777, 0) < 0) fail_at("cannot set the mode of");
}

static uint64_t mount_of(int parent, const char *name) {
  struct statx info;
  int flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | (*name == 0 ? AT_EMPTY_PATH : 0);
  if (statx(parent, name, flags, STATX_MNT_ID, &info) < 0 || !(info.stx_mask & STATX_MNT_ID)) fail_at("cannot see the mount of");
  return info.stx_mnt_id;
}

// Directories that were mounted into the container belong to what it sees there; what else is mounted does not.
static int is_stacked(int fd) {
  struct statfs info;
  return fstatfs(fd, &info) == 0 && (uint32_t)info.f_type == OVERLAYFS_SUPER_MAGIC;
}

static void copy_directory(int from, int to, uint64_t mount, int depth) {
  if (depth > MAX_DEPTH) refuse("it has directories more than %d deep", MAX_DEPTH);
  // fdopendir takes its descriptor over.
  DIR *entries = fdopendir(fcntl(from, F_DUPFD_CLOEXEC, 0));
  if (entries == NULL) fail_at("cannot list");
  size_t length = strlen(copy.path);
  for (;;) {
    errno = 0;
    struct dirent *entry = readdir(entries);
    if (entry == NULL) {
      if (errno != 0) fail_at("cannot list");
      break;
    }
    const char *name = entry->d_name;
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) continue;
    if (length + strlen(name) + 2 > sizeof copy.path) refuse("it has paths longer than %zu bytes", sizeof copy.path);
    sprintf(copy.path + length, "%s%s", length == 0 ? "" : "/", name);
    if (++copy.files > MAX_FILES) refuse("it holds more than %d files", MAX_FILES);
    struct stat info;
    if (fstatat(from, name, &info, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0) fail_at("cannot look at");
    int mounted = !copy.upper && mount_of(from, name) != mount;
    if (S_ISDIR(info.st_mode)) {
      int inner = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
      if (inner < 0) fail_at("cannot open");
      if (mkdirat(to, name, 0700) < 0) fail_at("cannot create");
      int made = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
      if (made < 0) fail_at("cannot open the copy of");
      if (!mounted || is_stacked(inner)) copy_directory(inner, made, mounted ? mount_of(inner, "") : mount, depth + 1);
      copy_metadata(inner, made, &info);
      close(made);
      close(inner);
    } else if (mounted) {
      // A file of the machine.
    } else if (S_ISREG(info.st_mode)) {
      copy_file(from, to, name, &info);
    } else if (S_ISLNK(info.st_mode)) {
      copy_link(from, to, name, &info);
    } else if (S_ISFIFO(info.st_mode)) {
      copy_special(to, name, &info, S_IFIFO);
    } else if (copy.upper && S_ISCHR(info.st_mode) && info.st_rdev == makedev(0, 0)) {
      copy_special(to, name, &info, S_IFCHR);
    }
    copy.path[length] = 0;
  }
  closedir(entries);
}

static int copy_to(int from, const char *target, const char *max_mib, const char *ids) {
  struct rlimit files = {.rlim_cur = 4 * MAX_DEPTH, .rlim_max = 4 * MAX_DEPTH}, now;
  if (getrlimit(RLIMIT_NOFILE, &now) == 0 && now.rlim_cur < files.rlim_cur) {
    if (now.rlim_max > files.rlim_max) files.rlim_max = now.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
  copy.max_bytes = number(max_mib) << 20;
  copy.ids = (uint32_t)number(ids);
  if (mkdir(target, 0700) < 0) fail(target);
  copy.target = open(target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (copy.target < 0) fail(target);
  struct stat info;
  if (fstat(from, &info) < 0) fail_at("cannot look at");
  copy_directory(from, copy.target, copy.upper ? 0 : mount_of(from, ""), 0);
  copy_metadata(from, copy.target, &info);
  return 0;
}

// SOURCE TARGET MAX_MIB IDS
int copy_upper(int argc, char **argv) {
  (void)argc;
  copy.upper = 1;
  int from = open(argv[0], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (from < 0) fail(argv[0]);
  return copy_to(from, argv[1], argv[2], argv[3]);
}

// PID PATH TARGET MAX_MIB IDS
int copy_inside(int argc, char **argv) {
  (void)argc;
  int root = open_proc(argv[0], "root", O_PATH | O_DIRECTORY);
  int from = open_inside(root, argv[1], O_RDONLY | O_DIRECTORY);
  if (from < 0) fail(argv[1]);
  if (is_kernel_file_system(from)) refuse("%s is in a file system of the kernel, which holds no files to keep", argv[1]);
  return copy_to(from, argv[2], argv[3], argv[4]);
}
