// Reading a request with every length checked, and writing integers.
#ifndef BYTES_H
#define BYTES_H
#include <stddef.h>
#include <stdint.h>

// What is left of a request. After a read past its end `bad` is set and every value is zero.
struct reader {
  const uint8_t *at;
  size_t left;
  int bad;
};

uint8_t read_u8(struct reader *r);
uint16_t read_u16(struct reader *r);
uint32_t read_u32(struct reader *r);
uint64_t read_u64(struct reader *r);
// A string of at most `max` bytes with a NUL behind it, to be freed; NULL and `bad` when it is longer, or has a NUL in it.
char *read_string(struct reader *r, size_t max);

void put_u16(uint8_t *at, uint16_t value);
void put_u32(uint8_t *at, uint32_t value);
void put_u64(uint8_t *at, uint64_t value);

#endif
