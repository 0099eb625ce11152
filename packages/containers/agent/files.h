// File operations. Each runs in a process of its own, forked from the agent, which may block: a slow disk or a huge tree holds up
// nobody else. All paths are resolved by the kernel inside the container, so that no link leads out of it.
#ifndef FILES_H
#define FILES_H
#include <dirent.h>
#include <stdint.h>
#include <sys/stat.h>

#include "bytes.h"

// Starts one on its own stream, a connected socket. Returns an errno when it cannot be started.
int files_open(int fd, const uint8_t *token, uint8_t operation, struct reader *request);

// What follows runs in the forked process only, for one operation.

// An absolute path from the request; fails the operation when there is none.
char *take_path(struct reader *request);

_Noreturn void file_read(struct reader *request);
_Noreturn void file_write(struct reader *request);
_Noreturn void file_list(struct reader *request);
_Noreturn void file_stat(struct reader *request);
_Noreturn void file_make_directory(struct reader *request);
_Noreturn void file_remove(struct reader *request);
_Noreturn void file_rename(struct reader *request);
_Noreturn void file_copy(struct reader *request);
_Noreturn void file_watch(struct reader *request);
_Noreturn void file_open(struct reader *request);

// Makes the directories above `path`. -1 with errno.
int make_parents(char *path);
// Removes what is there, without following links. -1 with errno.
int remove_tree(const char *path);
// Copies what is there, links as links. -1 with errno.
int copy_tree(const char *from, const char *to);
// Copies the content between two open files. -1 with errno.
int copy_content(int from, int to);

#endif
