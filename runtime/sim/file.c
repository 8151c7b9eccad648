/*
 * file.h on a simulated disk. A mutating call is an operation that is counted, may fail, and may be
 * the one at which the machine dies: what survives is fixed before it happens. A program that goes
 * on after that, or holds files of a disk that its machine has lost, works on a copy nobody sees.
 */
#include "runtime/file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/memory.h"
#include "runtime/name_list.h"
#include "runtime/sim/disk.h"
#include "runtime/sim/internal.h"

#define DISK_SIZE_DEFAULT ((int64_t)1 << 40)

struct file {
    int refs;
    struct machine *machine;
    struct inode *inode;
    bool lock;
};

/* Every operation passes here before it changes anything. */
static void disk_operation(struct machine *machine, const struct disk *disk, const char *what,
                           uint64_t detail) {
    if (machine->crashed || machine->disk != disk) {
        return;
    }
    machine->disk_operations++;
    sim_note_bytes(machine->sim, what, strlen(what));
    sim_note(machine->sim, detail);
    if (machine->disk_operations == machine->crash_at) {
        machine_crash(machine);
    }
}

static uint64_t path_detail(const char *path) {
    uint64_t hash = 14695981039346656037u;
    for (; *path != '\0'; path++) {
        hash = (hash ^ (uint8_t)*path) * 1099511628211u;
    }
    return hash;
}

/* ---- Open files ------------------------------------------------------------------------------ */

static struct file *file_new(struct machine *machine, struct inode *inode) {
    struct file *file = NEW(struct file);
    file->refs = 1;
    file->machine = machine;
    file->inode = inode_ref(inode);
    return file;
}

static int find_or_create(struct machine *machine, const char *path, unsigned flags,
                          struct inode **out) {
    struct disk *disk = machine->disk;
    int err = disk_find(disk, path, out);
    if (err == 0) {
        return (flags & FILE_EXCLUSIVE) != 0 ? -EEXIST : 0;
    }
    if (err != -ENOENT || (flags & FILE_CREATE) == 0) {
        return err;
    }
    struct inode *dir = NULL;
    char *name = NULL;
    err = disk_find_parent(disk, path, &dir, &name);
    if (err != 0) {
        return err;
    }
    disk_operation(machine, disk, "create", path_detail(path));
    *out = directory_create(dir, name, false);
    (*out)->mtime_ms = clock_wall_ms(machine);
    free(name);
    return 0;
}

int file_open(struct machine *machine, const char *path, unsigned flags, struct file **out) {
    ASSERT(((flags & FILE_READ) != 0) != ((flags & FILE_WRITE) != 0));
    ASSERT(IMPLIES((flags & (FILE_CREATE | FILE_TRUNCATE)) != 0, (flags & FILE_WRITE) != 0));
    ASSERT(IMPLIES((flags & FILE_EXCLUSIVE) != 0, (flags & FILE_CREATE) != 0));
    struct inode *inode = NULL;
    int err = find_or_create(machine, path, flags, &inode);
    if (err != 0) {
        return err;
    }
    if (inode->directory) {
        return -EISDIR;
    }
    if ((flags & FILE_TRUNCATE) != 0 && inode->content.len > 0) {
        disk_operation(machine, machine->disk, "truncate", path_detail(path));
        inode_truncate(inode, 0);
    }
    *out = file_new(machine, inode);
    return 0;
}

struct file *file_ref(struct file *file) {
    if (file != NULL) {
        ASSERT(file->refs > 0);
        file->refs++;
    }
    return file;
}

void file_unref(struct file *file) {
    if (file == NULL) {
        return;
    }
    ASSERT(file->refs > 0);
    if (--file->refs == 0) {
        if (file->lock) {
            file->inode->locked = false;
        }
        inode_unref(file->inode);
        free(file);
    }
}

int file_size(struct file *file, int64_t *out) {
    *out = (int64_t)file->inode->content.len;
    return 0;
}

int file_mtime_ms(struct file *file, int64_t *out) {
    *out = file->inode->mtime_ms;
    return 0;
}

int64_t file_read_at(struct file *file, void *out, size_t len, int64_t pos) {
    const struct bytes *content = &file->inode->content;
    if (pos < 0) {
        return -EINVAL;
    }
    if ((uint64_t)pos >= content->len) {
        return 0;
    }
    size_t left = content->len - (size_t)pos;
    size_t step = len < left ? len : left;
    if (step > 0) {
        memcpy(out, content->data + pos, step);
    }
    return (int64_t)step;
}

static bool out_of_space(const struct file *file, int64_t end) {
    const struct disk *disk = file->inode->disk;
    int64_t max = file->machine->sim->options.disk_bytes_max;
    int64_t growth = end - (int64_t)file->inode->content.len;
    return max > 0 && growth > 0 && disk->used + growth > max;
}

int file_writev_at(struct file *file, const struct slice *parts, int part_count, int64_t pos) {
    struct machine *machine = file->machine;
    struct inode *inode = file->inode;
    size_t len = 0;
    for (int i = 0; i < part_count; i++) {
        len += parts[i].len;
    }
    if (pos < 0) {
        return -EINVAL;
    }
    disk_operation(machine, inode->disk, "write", (uint64_t)pos * 31 + len);
    if (random_stream_chance(&machine->faults, machine->sim->options.disk_fail_write)) {
        return -EIO;
    }
    if (out_of_space(file, pos + (int64_t)len)) {
        return -ENOSPC;
    }
    /* One write, as pwritev is one: it is torn as a whole. */
    uint8_t *joined = xmalloc(len + 1);
    size_t used = 0;
    for (int i = 0; i < part_count; i++) {
        if (parts[i].len > 0) {
            memcpy(joined + used, parts[i].data, parts[i].len);
            used += parts[i].len;
        }
    }
    inode_write(inode, joined, len, pos);
    inode->mtime_ms = clock_wall_ms(machine);
    sim_note_bytes(machine->sim, joined, len);
    free(joined);
    return 0;
}

int file_truncate(struct file *file, int64_t size) {
    if (size < 0) {
        return -EINVAL;
    }
    disk_operation(file->machine, file->inode->disk, "truncate", (uint64_t)size);
    if (out_of_space(file, size)) {
        return -ENOSPC;
    }
    inode_truncate(file->inode, size);
    file->inode->mtime_ms = clock_wall_ms(file->machine);
    return 0;
}

static void spend_sync_time(struct machine *machine) {
    const struct sim_options *options = &machine->sim->options;
    if (machine->sim->worker == machine) {
        machine->work_extra_us += random_stream_range(&machine->timing, options->sync_delay_min_us,
                                                      options->sync_delay_max_us);
    }
}

int file_sync(struct file *file) {
    struct machine *machine = file->machine;
    disk_operation(machine, file->inode->disk, "sync", file->inode->content.len);
    spend_sync_time(machine);
    bool lost = random_stream_chance(&machine->faults, machine->sim->options.disk_fail_sync);
    inode_sync(file->inode, lost);
    return lost ? -EIO : 0;
}

void file_start_writeback(struct file *file, int64_t pos, int64_t len) {
}

void file_drop_cache(struct file *file, int64_t pos, int64_t len) {
}

/* ---- Names ----------------------------------------------------------------------------------- */

static bool is_below(const struct inode *dir, const struct inode *top) {
    if (dir == top) {
        return true;
    }
    for (size_t i = 0; i < top->entries.count; i++) {
        const struct inode *inode = top->entries.items[i].inode;
        if (inode->directory && is_below(dir, inode)) {
            return true;
        }
    }
    return false;
}

static int check_rename(const struct inode *moved, const struct inode *replaced,
                        const struct inode *dir) {
    if (moved == NULL) {
        return -ENOENT;
    }
    if (moved->directory && is_below(dir, moved)) {
        return -EINVAL;
    }
    if (replaced == NULL) {
        return 0;
    }
    if (replaced->directory != moved->directory) {
        return replaced->directory ? -EISDIR : -ENOTDIR;
    }
    return replaced->directory && replaced->entries.count > 0 ? -ENOTEMPTY : 0;
}

int path_rename(struct machine *machine, const char *from, const char *to) {
    struct disk *disk = machine->disk;
    struct inode *from_dir = NULL;
    struct inode *dir = NULL;
    char *from_name = NULL;
    char *name = NULL;
    int err = disk_find_parent(disk, from, &from_dir, &from_name);
    if (err == 0) {
        err = disk_find_parent(disk, to, &dir, &name);
    }
    if (err == 0) {
        struct inode *moved = directory_get(from_dir, from_name);
        struct inode *replaced = directory_get(dir, name);
        err = check_rename(moved, replaced, dir);
        if (err == 0) {
            disk_operation(machine, disk, "rename", path_detail(from) ^ path_detail(to));
            if (moved != replaced) {
                directory_rename(from_dir, from_name, dir, name);
            }
        }
    }
    free(from_name);
    free(name);
    return err;
}

static int remove_name(struct machine *machine, const char *path, bool directory) {
    struct disk *disk = machine->disk;
    struct inode *dir = NULL;
    char *name = NULL;
    int err = disk_find_parent(disk, path, &dir, &name);
    if (err != 0) {
        return err == -EEXIST ? -EBUSY : err;
    }
    const struct inode *inode = directory_get(dir, name);
    if (inode == NULL) {
        err = -ENOENT;
    } else if (inode->directory != directory) {
        err = directory ? -ENOTDIR : -EISDIR;
    } else if (inode->entries.count > 0) {
        err = -ENOTEMPTY;
    } else {
        disk_operation(machine, disk, directory ? "rmdir" : "unlink", path_detail(path));
        directory_remove(dir, name);
    }
    free(name);
    return err;
}

int path_unlink(struct machine *machine, const char *path) {
    return remove_name(machine, path, false);
}

int path_rmdir(struct machine *machine, const char *path) {
    return remove_name(machine, path, true);
}

int path_mkdir(struct machine *machine, const char *path) {
    struct inode *dir = NULL;
    char *name = NULL;
    int err = disk_find_parent(machine->disk, path, &dir, &name);
    if (err != 0) {
        return err;
    }
    if (directory_get(dir, name) != NULL) {
        err = -EEXIST;
    } else {
        disk_operation(machine, machine->disk, "mkdir", path_detail(path));
        directory_create(dir, name, true);
    }
    free(name);
    return err;
}

int path_kind(struct machine *machine, const char *path, enum path_kind *out) {
    struct inode *inode = NULL;
    int err = disk_find(machine->disk, path, &inode);
    if (err == -ENOENT) {
        *out = PATH_MISSING;
        return 0;
    }
    if (err == 0) {
        *out = inode->directory ? PATH_DIRECTORY : PATH_FILE;
    }
    return err;
}

static int find_directory(struct machine *machine, const char *path, struct inode **out) {
    int err = disk_find(machine->disk, path, out);
    return err == 0 && !(*out)->directory ? -ENOTDIR : err;
}

int directory_sync(struct machine *machine, const char *path) {
    struct inode *dir = NULL;
    int err = find_directory(machine, path, &dir);
    if (err != 0) {
        return err;
    }
    disk_operation(machine, machine->disk, "sync directory", path_detail(path));
    spend_sync_time(machine);
    if (random_stream_chance(&machine->faults, machine->sim->options.disk_fail_sync)) {
        return -EIO;
    }
    directory_make_durable(dir);
    return 0;
}

int directory_list(struct machine *machine, const char *path, char ***names, size_t *count) {
    struct inode *dir = NULL;
    int err = find_directory(machine, path, &dir);
    if (err != 0) {
        return err;
    }
    struct name_list list = {0};
    for (size_t i = 0; i < dir->entries.count; i++) {
        name_list_add(&list, dir->entries.items[i].name);
    }
    *names = name_list_finish(&list, count);
    name_list_release(&list);
    return 0;
}

int file_lock(struct machine *machine, const char *path, struct file **out) {
    int err = file_open(machine, path, FILE_WRITE | FILE_CREATE, out);
    if (err != 0) {
        return err;
    }
    if ((*out)->inode->locked) {
        file_unref(*out);
        *out = NULL;
        return -EAGAIN;
    }
    (*out)->inode->locked = true;
    (*out)->lock = true;
    return 0;
}

int disk_usage(struct machine *machine, const char *path, int64_t *total, int64_t *usable) {
    int64_t max = machine->sim->options.disk_bytes_max;
    *total = max > 0 ? max : DISK_SIZE_DEFAULT;
    *usable = *total > machine->disk->used ? *total - machine->disk->used : 0;
    return 0;
}

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
