/* Pages of a file in the page cache, which the network's output sends from there. */
#ifndef RUNTIME_UV_FILE_PAGES_H
#define RUNTIME_UV_FILE_PAGES_H

#include <stddef.h>
#include <stdint.h>

struct file;

#define FILE_PAGES_ASKED_MAX ((size_t)1024 * 1024) /* in one file_cached_len() */

/* How many of the bytes from pos on can be had without the disk, at most len and
 * FILE_PAGES_ASKED_MAX; 0 also when the system does not say. They may end before, where the file
 * does. Fast. */
size_t file_cached_len(const struct file *file, int64_t pos, size_t len);

/* Has the range read into the page cache, without a copy. How much of it is there now, less than
 * len where the file ends, or a negative errno; -EINVAL: the file system cannot. Blocks. */
int64_t file_warm(const struct file *file, int64_t pos, size_t len);

#endif
