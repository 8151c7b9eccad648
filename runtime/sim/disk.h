/*
 * A simulated disk: a tree of inodes, each with what is in the page cache and what is durable.
 *
 * Files: `data` is what reads see. `durable` is what the last sync covered, and `pending` the
 * writes and truncations since then, in order. Directories: `entries` is what look-ups see,
 * `durable_entries` what a power cut keeps for certain; the changes between the two are in the
 * disk's journal, which directory_sync() empties of what concerns its directory.
 */
#ifndef RUNTIME_SIM_DISK_H
#define RUNTIME_SIM_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "base/slice.h"

/* Who decides what a power cut keeps: uniform in [0, bound), or whatever a test wants to see. */
struct disk_choices {
    int64_t (*pick)(struct disk_choices *choices, int64_t bound);
};

struct bytes {
    uint8_t *data; /* heap */
    size_t len;
    size_t cap;
};

struct pending {
    struct list link;
    bool truncation; /* to size pos; else a write of `len` bytes at pos */
    int64_t pos;
    size_t len;
    uint8_t data[];
};

struct entry {
    char *name; /* heap */
    uint64_t hash;
    struct inode *inode;
};

struct entries {
    struct entry *items; /* heap, in no order */
    size_t count;
    size_t cap;
};

struct inode {
    int refs;
    struct disk *disk;
    bool directory;
    bool locked;
    int64_t mtime_ms;
    struct bytes content;
    struct bytes durable;
    struct list pending; /* of struct pending */
    struct entries entries;
    struct entries durable_entries;
    int open_error;     /* negative errno of opening or listing; 0: none */
    int read_error;     /* of reading */
    struct inode *copy; /* while a disk is being copied */
};

/* One change of names. A rename is one record, so that it happens or does not. */
struct name_change {
    struct list link;
    struct inode *dir;
    char *name;
    struct inode *inode;    /* `name` stands for this afterwards; NULL for a removal */
    struct inode *from_dir; /* renames: loses from_name, if that still stands for inode */
    char *from_name;
};

struct disk {
    int refs; /* one of the machine and one for each inode */
    struct inode *root;
    struct list journal; /* of struct name_change, oldest first */
    int64_t used;        /* bytes in all files */
};

struct disk *disk_new(void);

/* The machine lets go: the tree goes, except what open files hold. NULL is allowed. */
void disk_unref(struct disk *disk);

/* The same state again, what is not durable included. */
struct disk *disk_copy(const struct disk *disk);

/* What a power cut leaves, as a new disk: the durable state, with a part of the rest. */
struct disk *disk_after_power_cut(const struct disk *disk, struct disk_choices *choices);

/* Everything in the page cache is durable. */
void disk_settle(struct disk *disk);

struct inode *inode_ref(struct inode *inode);
void inode_unref(struct inode *inode);

/* Content and pending write; len bytes at pos. */
void inode_write(struct inode *inode, const uint8_t *data, size_t len, int64_t pos);
void inode_truncate(struct inode *inode, int64_t size);

/* Pending changes become durable, or, when the sync fails, are forgotten: the cache still shows
 * them, a power cut does not keep them. */
void inode_sync(struct inode *inode, bool lost);

/* What was forgotten is not shown any more: zeros, where there was nothing before. */
void inode_drop_cache(struct inode *inode);

/* Finds what path names. 0, -ENOENT or -ENOTDIR. No reference is taken. */
int disk_find(struct disk *disk, const char *path, struct inode **out);

/* The directory that holds (or would hold) path's last name, which is copied to a heap string. */
int disk_find_parent(struct disk *disk, const char *path, struct inode **dir, char **name);

struct inode *directory_get(const struct inode *dir, const char *name);

/* Changes names, in the page cache and the journal. */
struct inode *directory_create(struct inode *dir, const char *name, bool directory);
void directory_remove(struct inode *dir, const char *name);
void directory_rename(struct inode *from_dir, const char *from_name, struct inode *dir,
                      const char *name);
void directory_make_durable(struct inode *dir);

#endif
