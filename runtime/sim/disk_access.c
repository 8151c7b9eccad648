/* The disks of sim.h: direct access, saved states, faults. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/memory.h"
#include "runtime/sim/disk.h"
#include "runtime/sim/internal.h"

#define PATH_LEN_MAX 4096

int sim_disk_flip(struct machine *machine, const char *path, int64_t pos, uint8_t mask) {
    struct inode *inode = NULL;
    int err = disk_find(machine->disk, path, &inode);
    if (err != 0) {
        return err;
    }
    if (inode->directory || pos < 0 || (uint64_t)pos >= inode->content.len) {
        return -EINVAL;
    }
    inode->content.data[pos] ^= mask;
    if ((uint64_t)pos < inode->durable.len) {
        inode->durable.data[pos] ^= mask;
    }
    return 0;
}

int sim_disk_read(struct machine *machine, const char *path, struct slice *out) {
    struct inode *inode = NULL;
    int err = disk_find(machine->disk, path, &inode);
    if (err != 0) {
        return err;
    }
    if (inode->directory) {
        return -EISDIR;
    }
    *out = slice_make(inode->content.data, inode->content.len);
    return 0;
}

int sim_disk_write(struct machine *machine, const char *path, struct slice content) {
    struct inode *dir = NULL;
    char *name = NULL;
    int err = disk_find_parent(machine->disk, path, &dir, &name);
    if (err != 0) {
        return err;
    }
    struct inode *inode = directory_get(dir, name);
    if (inode != NULL && inode->directory) {
        err = -EISDIR;
    } else {
        if (inode == NULL) {
            inode = directory_create(dir, name, false);
            inode->mtime_ms = clock_wall_ms(machine);
        }
        inode_truncate(inode, 0);
        inode_write(inode, content.data, content.len, 0);
        disk_settle(machine->disk);
    }
    free(name);
    return err;
}

static void remove_below(struct inode *dir, const char *name) {
    struct inode *inode = directory_get(dir, name);
    while (inode->directory && inode->entries.count > 0) {
        remove_below(inode, inode->entries.items[0].name);
    }
    char *copy = xstrdup(name); /* it may be the entry's own */
    directory_remove(dir, copy);
    free(copy);
}

int sim_disk_remove(struct machine *machine, const char *path) {
    struct inode *dir = NULL;
    char *name = NULL;
    int err = disk_find_parent(machine->disk, path, &dir, &name);
    if (err != 0) {
        return err;
    }
    if (directory_get(dir, name) == NULL) {
        err = -ENOENT;
    } else {
        remove_below(dir, name);
        disk_settle(machine->disk);
    }
    free(name);
    return err;
}

int sim_disk_rename(struct machine *machine, const char *from, const char *to) {
    struct inode *from_dir = NULL;
    struct inode *dir = NULL;
    char *from_name = NULL;
    char *name = NULL;
    int err = disk_find_parent(machine->disk, from, &from_dir, &from_name);
    if (err == 0) {
        err = disk_find_parent(machine->disk, to, &dir, &name);
    }
    if (err == 0 && directory_get(from_dir, from_name) == NULL) {
        err = -ENOENT;
    }
    if (err == 0) {
        directory_rename(from_dir, from_name, dir, name);
        disk_settle(machine->disk);
    }
    free(from_name);
    free(name);
    return err;
}

int sim_disk_mkdir(struct machine *machine, const char *path) {
    struct inode *dir = NULL;
    char *name = NULL;
    int err = disk_find_parent(machine->disk, path, &dir, &name);
    if (err != 0) {
        return err;
    }
    if (directory_get(dir, name) != NULL) {
        err = -EEXIST;
    } else {
        directory_create(dir, name, true);
        disk_settle(machine->disk);
    }
    free(name);
    return err;
}

int sim_disk_break(struct machine *machine, const char *path, int open_error, int read_error) {
    struct inode *inode = NULL;
    int err = disk_find(machine->disk, path, &inode);
    if (err == 0) {
        inode->open_error = open_error;
        inode->read_error = read_error;
    }
    return err;
}

static void walk(const struct inode *dir, const char *prefix,
                 void (*fn)(void *ctx, const char *path, bool directory, struct slice content),
                 void *ctx) {
    for (size_t i = 0; i < dir->entries.count; i++) {
        const struct entry *entry = &dir->entries.items[i];
        const struct inode *inode = entry->inode;
        char path[PATH_LEN_MAX];
        snprintf(path, sizeof(path), "%s%s%s", prefix, prefix[0] == '\0' ? "" : "/", entry->name);
        fn(ctx, path, inode->directory, slice_make(inode->content.data, inode->content.len));
        if (inode->directory) {
            walk(inode, path, fn, ctx);
        }
    }
}

void sim_disk_walk(struct machine *machine,
                   void (*fn)(void *ctx, const char *path, bool directory, struct slice content),
                   void *ctx) {
    walk(machine->disk->root, "", fn, ctx);
}

/* ---- Saved states ---------------------------------------------------------------------------- */

struct disk *sim_disk_save(const struct machine *machine) {
    return disk_copy(machine->disk);
}

void sim_disk_restore(struct machine *machine, const struct disk *saved,
                      struct disk_choices *choices) {
    disk_unref(machine->disk);
    machine->disk = choices == NULL ? disk_copy(saved) : disk_after_power_cut(saved, choices);
}

void sim_disk_free(struct disk *saved) {
    disk_unref(saved);
}

/* ---- Faults ---------------------------------------------------------------------------------- */

void sim_on_disk_operation(struct machine *machine, void (*fn)(void *ctx, const char *what),
                           void *ctx) {
    machine->on_disk_operation = fn;
    machine->disk_ctx = ctx;
}

void sim_disk_fault(struct machine *machine, const struct sim_disk_fault *fault) {
    machine->fault = *fault;
    machine->fault_from = machine->disk_operations;
}
