// The stream of a file operation: blocking, and the end of the process when it breaks.
#ifndef STREAM_H
#define STREAM_H
#include <stddef.h>
#include <stdint.h>

void stream_use(int fd);
int stream_fd(void);
// What is to be cleaned up when the stream breaks, or the operation fails.
void stream_on_end(void (*clean_up)(void));

void stream_send(uint8_t type, const void *payload, size_t length);
// For `length` bytes that lie in `scratch` behind its header.
void stream_send_scratch(uint8_t type, size_t length);
// The next frame, its payload in `scratch`. Ends the process when the server has gone.
uint8_t stream_receive(size_t *length);

_Noreturn void stream_fail_at(int step, int error);
// With errno, about the (first) path.
_Noreturn void stream_fail(void);
_Noreturn void stream_done(void);

#endif
