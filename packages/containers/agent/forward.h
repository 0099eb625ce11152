// Connections to ports inside.
#ifndef FORWARD_H
#define FORWARD_H
#include <stdint.h>

#include "bytes.h"

// Connects to a port of 127.0.0.1, else of ::1, and carries bytes between it and the stream.
void forward_open(int fd, const uint8_t *token, struct reader *request);

#endif
