/*
 * Files and directories of a machine.
 *
 * All functions block and return 0 (or a count) or a negative errno. Those marked "fast" touch the
 * page cache or metadata only and may be called on a shard's thread; the others go to a worker
 * (runtime/machine.h, work_submit) except at start-up and clean-up. Paths are NUL-terminated and
 * relative to the process, or to the simulated machine's root.
 *
 * What survives: kill -9 loses nothing that was written. A power cut keeps what file_sync() (data
 * and size) and directory_sync() (names: create, rename, unlink) returned 0 for, and any part of
 * the rest. A failed sync is final: what it covered may be lost although later syncs succeed
 * (RELIABILITY: "Can Applications Recover from fsync Failures?", USENIX ATC 2020); never retry.
 */
#ifndef RUNTIME_FILE_H
#define RUNTIME_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/slice.h"

struct machine;
struct file;

enum file_flags {
    FILE_READ = 1,      /* read only */
    FILE_WRITE = 2,     /* read and write */
    FILE_CREATE = 4,    /* create when missing (0644); with FILE_WRITE */
    FILE_EXCLUSIVE = 8, /* fail with -EEXIST when it exists; with FILE_CREATE */
    FILE_TRUNCATE = 16, /* empty it; with FILE_WRITE */
};

/* Fast. On success *out has one reference. */
MUST_CHECK int file_open(struct machine *machine, const char *path, unsigned flags,
                         struct file **out);

/* References are counted atomically, so that a response may still be sending a segment that was
 * deleted meanwhile; the last file_unref() closes. NULL is allowed. Fast. */
struct file *file_ref(struct file *file);
void file_unref(struct file *file);

MUST_CHECK int file_size(struct file *file, int64_t *out); /* fast */

/* Milliseconds since the epoch of the last write. Fast. */
MUST_CHECK int file_mtime_ms(struct file *file, int64_t *out);

/* Reads up to len bytes at pos; fewer only at the end of the file. Count or negative errno. Fast
 * only for what is cached. */
MUST_CHECK int64_t file_read_at(struct file *file, void *out, size_t len, int64_t pos);

/* All of it or an error: a short write is completed or reported (-ENOSPC, ...), and then the bytes
 * past pos are undefined. Fast. */
MUST_CHECK int file_write_at(struct file *file, const void *data, size_t len, int64_t pos);
MUST_CHECK int file_writev_at(struct file *file, const struct slice *parts, int part_count,
                              int64_t pos);

MUST_CHECK int file_truncate(struct file *file, int64_t size); /* fast; grows with zeros */

/* fdatasync: data and size are durable. Blocks: workers only. */
MUST_CHECK int file_sync(struct file *file);

/* Tells the kernel that the range will not be read again soon (posix_fadvise). Fast. What a failed
 * sync has lost, and the cache still shows, is read from the disk afterwards. */
void file_drop_cache(struct file *file, int64_t pos, int64_t len);

/* A shared mapping of [0, len) for reading and writing is deliberately absent: a mapping turns a
 * disk error into SIGBUS. */

MUST_CHECK int path_rename(struct machine *machine, const char *from, const char *to); /* fast */
MUST_CHECK int path_unlink(struct machine *machine, const char *path);                 /* fast */
MUST_CHECK int path_rmdir(struct machine *machine, const char *path);                  /* fast */
MUST_CHECK int path_mkdir(struct machine *machine, const char *path);         /* fast, 0755 */
MUST_CHECK int path_mkdir_parents(struct machine *machine, const char *path); /* fast */

enum path_kind { PATH_MISSING, PATH_FILE, PATH_DIRECTORY, PATH_OTHER };

MUST_CHECK int path_kind(struct machine *machine, const char *path, enum path_kind *out); /* fast */

/* Of a file: file_mtime_ms() without opening it for longer. */
MUST_CHECK int path_mtime_ms(struct machine *machine, const char *path, int64_t *out); /* fast */

/* Makes creations, renames and unlinks in this directory durable. Blocks. */
MUST_CHECK int directory_sync(struct machine *machine, const char *path);

/* The same for the directory that `path` lies in: makes the name of path itself durable. Blocks. */
MUST_CHECK int directory_sync_parent(struct machine *machine, const char *path);

/* Names without "." and "..", sorted bytewise; `names` and its strings are one heap block that the
 * caller frees with free(*names). */
MUST_CHECK int directory_list(struct machine *machine, const char *path, char ***names,
                              size_t *count);

/* An exclusive lock on a file (created when missing), held until file_unref() or the process ends.
 * -EAGAIN when another process (or machine) holds it. */
MUST_CHECK int file_lock(struct machine *machine, const char *path, struct file **out);

/* Of the file system that holds path; bytes. Fast. */
MUST_CHECK int disk_usage(struct machine *machine, const char *path, int64_t *total,
                          int64_t *usable);

/* The whole file into a heap block with a NUL behind it, *len without that; -EFBIG above max.
 * The caller frees *out. */
MUST_CHECK int file_read_all(struct machine *machine, const char *path, size_t max, uint8_t **out,
                             size_t *len);

/* Atomic replacement: path.tmp, write, sync, rename, and sync of the directory. A reader sees the
 * old or the new content, also after a power cut. Blocks. */
MUST_CHECK int file_replace(struct machine *machine, const char *path, struct slice content);

#endif
