// Names of users and groups, from the container's own files.
#ifndef OWNERS_H
#define OWNERS_H
#include <stdint.h>

// The number itself where there is no name. Valid until the next call.
const char *owner_name(uint32_t uid);
const char *group_name(uint32_t gid);

#endif
