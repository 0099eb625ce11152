#include "bytes.h"

#include <stdlib.h>
#include <string.h>

static uint64_t number(struct reader *r, size_t bytes) {
  if (r->bad || r->left < bytes) {
    r->bad = 1;
    return 0;
  }
  uint64_t value = 0;
  for (size_t i = 0; i < bytes; i++) value = value << 8 | r->at[i];
  r->at += bytes;
  r->left -= bytes;
  return value;
}

uint8_t read_u8(struct reader *r) { return (uint8_t)number(r, 1); }
uint16_t read_u16(struct reader *r) { return (uint16_t)number(r, 2); }
uint32_t read_u32(struct reader *r) { return (uint32_t)number(r, 4); }
uint64_t read_u64(struct reader *r) { return number(r, 8); }

char *read_string(struct reader *r, size_t max) {
  size_t length = read_u32(r);
  if (r->bad || length > max || length > r->left || memchr(r->at, 0, length) != NULL) {
    r->bad = 1;
    return NULL;
  }
  char *text = malloc(length + 1);
  if (text == NULL) {
    r->bad = 1;
    return NULL;
  }
  memcpy(text, r->at, length);
  text[length] = 0;
  r->at += length;
  r->left -= length;
  return text;
}

void put_u16(uint8_t *at, uint16_t value) {
  at[0] = (uint8_t)(value >> 8);
  at[1] = (uint8_t)value;
}

void put_u32(uint8_t *at, uint32_t value) {
  put_u16(at, (uint16_t)(value >> 16));
  put_u16(at + 2, (uint16_t)value);
}

void put_u64(uint8_t *at, uint64_t value) {
  put_u32(at, (uint32_t)(value >> 32));
  put_u32(at + 4, (uint32_t)value);
}
