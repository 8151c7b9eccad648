/*
 * The machine under the targets that read files: runtime/machine.h, log.h and file.h without an
 * operating system, and without the crashes and delays of runtime/sim. A disk is a few files in
 * memory that are reused from input to input, so that an execution costs no set-up.
 */
#ifndef TESTS_FUZZ_MACHINE_H
#define TESTS_FUZZ_MACHINE_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/file.h"
#include "runtime/machine.h"

struct machine *fuzz_machine(void);

/* Empties the disk. Everything must have been closed: an open file is a leak, and aborts. */
void fuzz_disk_reset(void);

/* Puts a file there, in place of one that is there; directories are made where missing. */
void fuzz_disk_put(const char *path, const void *data, size_t size);

/* The n-th access to the disk from now on fails with -EIO, once; 0: none does. */
void fuzz_disk_fail(unsigned n);

/* Runs the work that was submitted, until there is none. */
void fuzz_machine_run(void);

#endif
