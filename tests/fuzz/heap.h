/* How much a decoder takes from the heap: malloc and friends are wrapped by the linker (--wrap) in
 * the targets that ask. */
#ifndef TESTS_FUZZ_HEAP_H
#define TESTS_FUZZ_HEAP_H

#include <stddef.h>

void heap_count_start(void);

/* Bytes asked for since heap_count_start(), whether freed or not. */
size_t heap_count_end(void);

#endif
