// Processes that the server has asked for.
#ifndef EXEC_H
#define EXEC_H
#include <stdint.h>
#include <sys/types.h>

#include "bytes.h"

// Starts one on its own stream, a connected socket that it owns from then on.
void exec_open(int fd, const uint8_t *token, struct reader *request);
// A process with EXEC_KEEP gets another stream.
void exec_attach(int fd, const uint8_t *token, struct reader *request);
// Tells of all processes with EXEC_KEEP.
void exec_list(int fd, const uint8_t *token);
// Ends what there is of a process with EXEC_KEEP.
void exec_forget(const uint8_t *token);
// A child has been reaped: perhaps it was one of ours.
void exec_reaped(pid_t pid, int status);
// Sends a signal to the groups of all that run. Returns how many there are.
int exec_signal_all(int signal);

#endif
