#pragma once
// What the container host does with namespaces, for which no program of a distribution exists, or only slow ones. Each command prints what
// failed, as one line, and ends with code 1.
#include <stdint.h>
#include <sys/types.h>

enum { ROOT_PATH_MAX = 64 };

/** Prints "WHAT: the system's reason" and ends. */
__attribute__((noreturn)) void fail(const char *what);
/** Prints a sentence and ends. */
__attribute__((noreturn, format(printf, 1, 2))) void refuse(const char *format, ...);

/** The number in `text`, or an end with a sentence. */
uint64_t number(const char *text);
/** Opens /proc/PID/`file`. */
int open_proc(const char *pid, const char *file, int flags);
/** Opens a path as a process sees it whose root directory is `root`: links, also absolute ones, stay below it. -1 and errno. */
int open_inside(int root, const char *path, int flags);
/** Whether files of this file system are the kernel's own: nothing is stored in it, and runtimes write to it. */
int is_kernel_file_system(int fd);

/** A descriptor that stands for a mapping of 65,536 ids from 0 to those from `ids` on. */
int id_map(uint32_t ids);
/** A copy of the mount at `path` whose ids are translated, not attached anywhere. Ends where the file system cannot do it. */
int clone_mapped(const char *path, int map);
void attach(int tree, const char *path);

int copy_upper(int argc, char **argv);
int copy_inside(int argc, char **argv);
int mount_inside(int argc, char **argv);
int can_map(int argc, char **argv);
int mount_mapped(int argc, char **argv);
int unmount_inside(int argc, char **argv);
int make_slot(int argc, char **argv);
int mount_rootfs(int argc, char **argv);
