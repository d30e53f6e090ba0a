/* Memory touched as the program would, with a fault told instead of deadly. */
#ifndef TWIN_TOUCH_H
#define TWIN_TOUCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void touch_start(void);
/* 0, or the signal and its code of the fault that reading or writing this byte gives. */
int touch_read(const uint8_t *at);
/* Stores `value` in steps of `stride` bytes; the offset of the first byte that faulted, or `length`. */
size_t touch_fill(uint8_t *at, size_t length, size_t stride, uint8_t value);
/* Reads a byte of each page; the offset of the first that faulted, or `length`. */
size_t touch_scan(const uint8_t *at, size_t length);
/* 1: equal, 0: different, -1: a fault on one side or both. */
int touch_equal(const uint8_t *a, const uint8_t *b, size_t length);

#endif
