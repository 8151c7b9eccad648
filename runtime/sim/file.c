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

enum operation {
    OPERATION_CREATE,
    OPERATION_WRITE,
    OPERATION_TRUNCATE,
    OPERATION_SYNC,
    OPERATION_SYNC_DIRECTORY,
    OPERATION_RENAME,
    OPERATION_UNLINK,
    OPERATION_MKDIR,
    OPERATION_RMDIR,
};

static const char *const operation_names[] = {
    [OPERATION_CREATE] = "create",
    [OPERATION_WRITE] = "write",
    [OPERATION_TRUNCATE] = "truncate",
    [OPERATION_SYNC] = "sync",
    [OPERATION_SYNC_DIRECTORY] = "sync directory",
    [OPERATION_RENAME] = "rename",
    [OPERATION_UNLINK] = "unlink",
    [OPERATION_MKDIR] = "mkdir",
    [OPERATION_RMDIR] = "rmdir",
};

static bool frees_space(enum operation operation) {
    return operation == OPERATION_TRUNCATE || operation == OPERATION_UNLINK ||
           operation == OPERATION_RMDIR || operation == OPERATION_RENAME;
}

/* What an operation is on: a path, or an open file. */
struct place {
    const char *path;
    const struct inode *inode;
};

static bool holds(const struct inode *dir, const struct inode *inode) {
    for (size_t i = 0; i < dir->entries.count; i++) {
        const struct inode *entry = dir->entries.items[i].inode;
        if (entry == inode || (entry->directory && holds(entry, inode))) {
            return true;
        }
    }
    return false;
}

static bool lies_under(const struct machine *machine, struct place place, const char *under) {
    if (place.path != NULL) {
        size_t len = strlen(under);
        return strncmp(place.path, under, len) == 0 &&
               (place.path[len] == '/' || place.path[len] == '\0');
    }
    struct inode *dir = NULL;
    return disk_find(machine->disk, under, &dir) == 0 && holds(dir, place.inode);
}

/* The error that a test has laid in the way of this operation. */
static int fault_of(const struct machine *machine, enum operation operation, struct place place) {
    const struct sim_disk_fault *fault = &machine->fault;
    uint64_t number = machine->disk_operations - machine->fault_from; /* from 1 on */
    bool hit = fault->count > 0 && number > fault->after && number - fault->after <= fault->count;
    hit = hit && (fault->under == NULL || lies_under(machine, place, fault->under));
    return hit && !(fault->error == -ENOSPC && frees_space(operation)) ? fault->error : 0;
}

/* Every operation passes here before it changes anything; it may fail here. */
static int disk_operation(struct machine *machine, const struct disk *disk,
                          enum operation operation, struct place place, uint64_t detail) {
    if (machine->crashed || machine->disk != disk) {
        return 0;
    }
    const char *what = operation_names[operation];
    machine->disk_operations++;
    sim_note_bytes(machine->sim, what, strlen(what));
    sim_note(machine->sim, detail);
    if (machine->on_disk_operation != NULL) {
        machine->on_disk_operation(machine->disk_ctx, what);
    }
    if (machine->disk_operations == machine->crash_at) {
        machine_crash(machine);
        return 0;
    }
    return fault_of(machine, operation, place);
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
    err = disk_operation(machine, disk, OPERATION_CREATE, (struct place){.path = path},
                         path_detail(path));
    if (err == 0) {
        *out = directory_create(dir, name, false);
        (*out)->mtime_ms = clock_wall_ms(machine);
    }
    free(name);
    return err;
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
    if (inode->open_error != 0) {
        return inode->open_error;
    }
    if ((flags & FILE_TRUNCATE) != 0 && inode->content.len > 0) {
        err = disk_operation(machine, machine->disk, OPERATION_TRUNCATE,
                             (struct place){.path = path}, path_detail(path));
        if (err != 0) {
            return err;
        }
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
    if (file->inode->read_error != 0) {
        return file->inode->read_error;
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

/* How many bytes from pos on there is space for. */
static size_t space_for(const struct file *file, int64_t pos, size_t len) {
    const struct disk *disk = file->inode->disk;
    int64_t max = file->machine->sim->options.disk_bytes_max;
    int64_t size = (int64_t)file->inode->content.len;
    int64_t growth = pos + (int64_t)len - size;
    if (max <= 0 || growth <= 0 || disk->used + growth <= max) {
        return len;
    }
    int64_t end = size + (max > disk->used ? max - disk->used : 0);
    return end > pos ? (size_t)(end - pos) : 0;
}

/* The joined bytes: one write, as pwritev is one; it is torn as a whole. */
static uint8_t *join(const struct slice *parts, int part_count, size_t *len) {
    *len = 0;
    for (int i = 0; i < part_count; i++) {
        *len += parts[i].len;
    }
    uint8_t *joined = xmalloc(*len + 1);
    size_t used = 0;
    for (int i = 0; i < part_count; i++) {
        if (parts[i].len > 0) {
            memcpy(joined + used, parts[i].data, parts[i].len);
            used += parts[i].len;
        }
    }
    return joined;
}

int file_writev_at(struct file *file, const struct slice *parts, int part_count, int64_t pos) {
    struct machine *machine = file->machine;
    struct inode *inode = file->inode;
    if (pos < 0) {
        return -EINVAL;
    }
    size_t len = 0;
    uint8_t *joined = join(parts, part_count, &len);
    int err = disk_operation(machine, inode->disk, OPERATION_WRITE, (struct place){.inode = inode},
                             (uint64_t)pos * 31 + len);
    /* What a failed write leaves: as much as there was space for, or half of it. */
    size_t written = err == 0 ? space_for(file, pos, len) : machine->fault.partial ? len / 2 : 0;
    if (err == 0 && random_stream_chance(&machine->faults, machine->sim->options.disk_fail_write)) {
        err = -EIO;
        written = 0;
    } else if (err == 0 && written < len) {
        err = -ENOSPC;
    }
    if (err == 0 || written > 0) {
        inode_write(inode, joined, written, pos);
        inode->mtime_ms = clock_wall_ms(machine);
        sim_note_bytes(machine->sim, joined, written);
    }
    free(joined);
    return err;
}

int file_truncate(struct file *file, int64_t size) {
    struct inode *inode = file->inode;
    if (size < 0) {
        return -EINVAL;
    }
    int err = disk_operation(file->machine, inode->disk, OPERATION_TRUNCATE,
                             (struct place){.inode = inode}, (uint64_t)size);
    if (err != 0) {
        return err;
    }
    int64_t growth = size - (int64_t)inode->content.len;
    if (growth > 0 &&
        space_for(file, (int64_t)inode->content.len, (size_t)growth) < (size_t)growth) {
        return -ENOSPC;
    }
    inode_truncate(inode, size);
    inode->mtime_ms = clock_wall_ms(file->machine);
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
    int err = disk_operation(machine, file->inode->disk, OPERATION_SYNC,
                             (struct place){.inode = file->inode}, file->inode->content.len);
    spend_sync_time(machine);
    if (err == 0 && random_stream_chance(&machine->faults, machine->sim->options.disk_fail_sync)) {
        err = -EIO;
    }
    inode_sync(file->inode, err != 0);
    return err;
}

void file_drop_cache(struct file *file, int64_t pos, int64_t len) {
    inode_drop_cache(file->inode);
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
            err = disk_operation(machine, disk, OPERATION_RENAME, (struct place){.path = to},
                                 path_detail(from) ^ path_detail(to));
            if (err == 0 && moved != replaced) {
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
        err = disk_operation(machine, disk, directory ? OPERATION_RMDIR : OPERATION_UNLINK,
                             (struct place){.path = path}, path_detail(path));
        if (err == 0) {
            directory_remove(dir, name);
        }
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
        err = disk_operation(machine, machine->disk, OPERATION_MKDIR, (struct place){.path = path},
                             path_detail(path));
        if (err == 0) {
            directory_create(dir, name, true);
        }
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
    if (err != 0) {
        return err;
    }
    return (*out)->directory ? (*out)->open_error : -ENOTDIR;
}

int directory_sync(struct machine *machine, const char *path) {
    struct inode *dir = NULL;
    int err = find_directory(machine, path, &dir);
    if (err != 0) {
        return err;
    }
    err = disk_operation(machine, machine->disk, OPERATION_SYNC_DIRECTORY,
                         (struct place){.path = path}, path_detail(path));
    spend_sync_time(machine);
    if (err != 0) {
        return err;
    }
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
