// The control connection: greets the server, opens what it asks for, and outlives it for as long as it said.
#ifndef CONTROL_H
#define CONTROL_H
#include <stdint.h>

// Connects to the server's socket; exits the program when that is not possible in time.
void control_open(const char *socket_path);
// A process has ended.
void control_exited(const uint8_t *token);
// Opens nothing more.
void control_refuse(void);

#endif
