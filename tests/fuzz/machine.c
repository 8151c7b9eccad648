#include "tests/fuzz/machine.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "base/memory.h"
#include "runtime/log_levels.h"
#include "runtime/log_line.h"
#include "runtime/name_list.h"
#include "runtime/shard_core.h"
#include "tests/fuzz/fuzz.h"

#define NAMES_MAX     256
#define PATH_SIZE     1024
#define FILE_SIZE_MAX ((size_t)64 << 20)
#define DISK_SIZE     ((int64_t)1 << 40)
#define WALL_START_MS INT64_C(1700000000000)

struct inode {
    struct list link; /* spare_inodes */
    uint8_t *data;    /* heap, kept for the next input */
    size_t len;
    size_t cap;
    int refs; /* of its name and of open files */
};

struct name {
    char path[PATH_SIZE];
    size_t len;
    struct inode *inode; /* NULL for a directory */
};

struct file {
    struct list link; /* spare_files */
    struct inode *inode;
    int refs;
};

struct shard {
    struct machine *machine;
    struct shard_core core;
};

struct machine {
    struct shard shard;
    struct name *names; /* NAMES_MAX */
    int name_count;
    struct list spare_inodes;
    struct list spare_files;
    int open_count;
    struct list works;
    uint64_t random;
    unsigned fail_in; /* accesses to the disk */
    struct log_levels log_levels;
};

struct machine *fuzz_machine(void) {
    static struct machine *machine;
    if (machine == NULL) {
        machine = NEW(struct machine);
        machine->shard.machine = machine;
        log_levels_init(&machine->log_levels);
        shard_core_init(&machine->shard.core);
        machine->names = (struct name *)xcalloc(NAMES_MAX, sizeof(*machine->names));
        list_init(&machine->spare_inodes);
        list_init(&machine->spare_files);
        list_init(&machine->works);
    }
    return machine;
}

/* ---- Names ----------------------------------------------------------------------------------- */

/* Not strcmp(): libFuzzer would take the names of this machine for words of the inputs' format. The
 * ends differ most. */
static bool same(const char *a, const char *b, size_t len) {
    while (len > 0 && a[len - 1] == b[len - 1]) {
        len--;
    }
    return len == 0;
}

static struct name *find_len(struct machine *machine, const char *path, size_t len) {
    for (int i = 0; i < machine->name_count; i++) {
        struct name *name = &machine->names[i];
        if (name->len == len && same(name->path, path, len)) {
            return name;
        }
    }
    return NULL;
}

static struct name *find(struct machine *machine, const char *path) {
    return find_len(machine, path, strlen(path));
}

static struct inode *inode_ref(struct inode *inode) {
    if (inode != NULL) {
        inode->refs++;
    }
    return inode;
}

static void inode_unref(struct machine *machine, struct inode *inode) {
    if (inode != NULL && --inode->refs == 0) {
        inode->len = 0;
        list_append(&machine->spare_inodes, &inode->link);
    }
}

static struct inode *inode_new(struct machine *machine) {
    struct inode *inode;
    if (list_empty(&machine->spare_inodes)) {
        inode = NEW(struct inode);
        list_init(&inode->link);
    } else {
        inode = LIST_FIRST(&machine->spare_inodes, struct inode, link);
        list_remove(&inode->link);
    }
    inode->refs = 1;
    return inode;
}

static struct name *add_name(struct machine *machine, const char *path, size_t len,
                             struct inode *inode) {
    ASSERT(machine->name_count < NAMES_MAX && len < PATH_SIZE);
    struct name *name = &machine->names[machine->name_count++];
    memcpy(name->path, path, len);
    name->path[len] = '\0';
    name->len = len;
    name->inode = inode;
    return name;
}

static void remove_name(struct machine *machine, struct name *name) {
    inode_unref(machine, name->inode);
    const struct name *last = &machine->names[--machine->name_count];
    if (last != name) {
        memcpy(name->path, last->path, last->len + 1);
        name->len = last->len;
        name->inode = last->inode;
    }
}

void fuzz_disk_reset(void) {
    struct machine *machine = fuzz_machine();
    ASSERT(machine->open_count == 0);
    while (machine->name_count > 0) {
        remove_name(machine, &machine->names[machine->name_count - 1]);
    }
    machine->random = 1;
    machine->fail_in = 0;
}

static void write_inode(struct inode *inode, const void *data, size_t size, size_t pos) {
    ASSERT(pos <= FILE_SIZE_MAX && size <= FILE_SIZE_MAX - pos);
    size_t end = pos + size;
    if (end > inode->cap) {
        inode->cap = end * 2 + 4096;
        inode->data = (uint8_t *)xrealloc(inode->data, inode->cap);
    }
    if (pos > inode->len) {
        memset(inode->data + inode->len, 0, pos - inode->len);
    }
    if (size > 0) {
        memcpy(inode->data + pos, data, size);
    }
    inode->len = end > inode->len ? end : inode->len;
}

void fuzz_disk_put(const char *path, const void *data, size_t size) {
    struct machine *machine = fuzz_machine();
    for (const char *slash = strchr(path, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        size_t len = (size_t)(slash - path);
        if (find_len(machine, path, len) == NULL) {
            add_name(machine, path, len, NULL);
        }
    }
    struct name *name = find(machine, path);
    if (name == NULL) {
        name = add_name(machine, path, strlen(path), inode_new(machine));
    }
    name->inode->len = 0;
    write_inode(name->inode, data, size, 0);
}

void fuzz_disk_fail(unsigned n) {
    fuzz_machine()->fail_in = n;
}

static bool fails(void) {
    struct machine *machine = fuzz_machine();
    return machine->fail_in > 0 && --machine->fail_in == 0;
}

/* ---- file.h ---------------------------------------------------------------------------------- */

int file_open(struct machine *machine, const char *path, unsigned flags, struct file **out) {
    if (fails()) {
        return -EIO;
    }
    struct name *name = find(machine, path);
    if (name == NULL && (flags & FILE_CREATE) == 0) {
        return -ENOENT;
    }
    if (name != NULL && (flags & FILE_EXCLUSIVE) != 0) {
        return -EEXIST;
    }
    if (name != NULL && name->inode == NULL) {
        return -EISDIR;
    }
    if (name == NULL) {
        name = add_name(machine, path, strlen(path), inode_new(machine));
    }
    if ((flags & FILE_TRUNCATE) != 0) {
        name->inode->len = 0;
    }
    struct file *file;
    if (list_empty(&machine->spare_files)) {
        file = NEW(struct file);
        list_init(&file->link);
    } else {
        file = LIST_FIRST(&machine->spare_files, struct file, link);
        list_remove(&file->link);
    }
    file->refs = 1;
    file->inode = inode_ref(name->inode);
    machine->open_count++;
    *out = file;
    return 0;
}

struct file *file_ref(struct file *file) {
    if (file != NULL) {
        file->refs++;
    }
    return file;
}

void file_unref(struct file *file) {
    if (file != NULL && --file->refs == 0) {
        struct machine *machine = fuzz_machine();
        inode_unref(machine, file->inode);
        list_append(&machine->spare_files, &file->link);
        machine->open_count--;
    }
}

int file_size(struct file *file, int64_t *out) {
    if (fails()) {
        return -EIO;
    }
    *out = (int64_t)file->inode->len;
    return 0;
}

int file_mtime_ms(struct file *file, int64_t *out) {
    *out = WALL_START_MS;
    return 0;
}

int64_t file_read_at(struct file *file, void *out, size_t len, int64_t pos) {
    if (fails()) {
        return -EIO;
    }
    if (pos < 0) {
        return -EINVAL;
    }
    if ((uint64_t)pos >= file->inode->len) {
        return 0;
    }
    size_t left = file->inode->len - (size_t)pos;
    size_t step = len < left ? len : left;
    memcpy(out, file->inode->data + pos, step);
    return (int64_t)step;
}

int file_writev_at(struct file *file, const struct slice *parts, int part_count, int64_t pos) {
    if (fails()) {
        return -EIO;
    }
    if (pos < 0) {
        return -EINVAL;
    }
    for (int i = 0; i < part_count; i++) {
        write_inode(file->inode, parts[i].data, parts[i].len, (size_t)pos);
        pos += (int64_t)parts[i].len;
    }
    return 0;
}

int file_truncate(struct file *file, int64_t size) {
    if (fails()) {
        return -EIO;
    }
    if (size < 0) {
        return -EINVAL;
    }
    if ((size_t)size > file->inode->len) {
        write_inode(file->inode, NULL, 0, (size_t)size);
    }
    file->inode->len = (size_t)size;
    return 0;
}

int file_sync(struct file *file) {
    if (fails()) {
        return -EIO;
    }
    return 0;
}

void file_drop_cache(struct file *file, int64_t pos, int64_t len) {
}

/* The names in a directory follow it. */
static void rename_below(struct machine *machine, const char *from, const char *to) {
    size_t len = strlen(from);
    for (int i = 0; i < machine->name_count; i++) {
        struct name *name = &machine->names[i];
        if (name->len > len && name->path[len] == '/' && same(name->path, from, len)) {
            size_t to_len = strlen(to);
            size_t left = name->len - len;
            ASSERT(to_len + left < PATH_SIZE);
            memmove(name->path + to_len, name->path + len, left + 1);
            memcpy(name->path, to, to_len);
            name->len = to_len + left;
        }
    }
}

int path_rename(struct machine *machine, const char *from, const char *to) {
    if (fails()) {
        return -EIO;
    }
    struct name *moved = find(machine, from);
    if (moved == NULL) {
        return -ENOENT;
    }
    if (moved->inode == NULL) {
        rename_below(machine, from, to);
    }
    struct inode *inode = inode_ref(moved->inode);
    remove_name(machine, moved);
    struct name *replaced = find(machine, to);
    if (replaced != NULL) {
        remove_name(machine, replaced);
    }
    add_name(machine, to, strlen(to), inode);
    return 0;
}

int path_unlink(struct machine *machine, const char *path) {
    if (fails()) {
        return -EIO;
    }
    struct name *name = find(machine, path);
    if (name == NULL) {
        return -ENOENT;
    }
    if (name->inode == NULL) {
        return -EISDIR;
    }
    remove_name(machine, name);
    return 0;
}

int path_rmdir(struct machine *machine, const char *path) {
    if (fails()) {
        return -EIO;
    }
    struct name *name = find(machine, path);
    if (name == NULL) {
        return -ENOENT;
    }
    remove_name(machine, name);
    return 0;
}

int path_mkdir(struct machine *machine, const char *path) {
    if (fails()) {
        return -EIO;
    }
    if (find(machine, path) != NULL) {
        return -EEXIST;
    }
    add_name(machine, path, strlen(path), NULL);
    return 0;
}

int path_kind(struct machine *machine, const char *path, enum path_kind *out) {
    if (fails()) {
        return -EIO;
    }
    const struct name *name = find(machine, path);
    *out = name == NULL ? PATH_MISSING : name->inode == NULL ? PATH_DIRECTORY : PATH_FILE;
    return 0;
}

int directory_sync(struct machine *machine, const char *path) {
    if (fails()) {
        return -EIO;
    }
    return 0;
}

int directory_list(struct machine *machine, const char *path, char ***names, size_t *count) {
    if (fails()) {
        return -EIO;
    }
    const struct name *dir = find(machine, path);
    if (dir == NULL || dir->inode != NULL) {
        return dir == NULL ? -ENOENT : -ENOTDIR;
    }
    struct name_list list = {0};
    size_t len = strlen(path);
    for (int i = 0; i < machine->name_count; i++) {
        const struct name *name = &machine->names[i];
        if (name->len > len && name->path[len] == '/' && same(name->path, path, len) &&
            memchr(name->path + len + 1, '/', name->len - len - 1) == NULL) {
            name_list_add(&list, name->path + len + 1);
        }
    }
    *names = name_list_finish(&list, count);
    name_list_release(&list);
    return 0;
}

int file_lock(struct machine *machine, const char *path, struct file **out) {
    return file_open(machine, path, FILE_WRITE | FILE_CREATE, out);
}

int disk_usage(struct machine *machine, const char *path, int64_t *total, int64_t *usable) {
    *total = DISK_SIZE;
    *usable = DISK_SIZE / 2;
    return 0;
}

/* ---- machine.h ------------------------------------------------------------------------------- */

struct shard_core *shard_core(struct shard *shard) {
    return &shard->core;
}

int machine_shard_count(const struct machine *machine) {
    return 1;
}

struct shard *machine_shard(struct machine *machine, int index) {
    ASSERT(index == 0);
    return &machine->shard;
}

int shard_index(const struct shard *shard) {
    return 0;
}

struct machine *shard_machine(const struct shard *shard) {
    return shard->machine;
}

void shard_assert_current(const struct shard *shard) {
}

int64_t clock_now_ns(const struct machine *machine) {
    return 0;
}

int64_t clock_wall_ms(const struct machine *machine) {
    return WALL_START_MS;
}

int64_t shard_now_ms(const struct shard *shard) {
    return 0;
}

void random_fill(struct machine *machine, void *out, size_t len) {
    uint8_t *to = (uint8_t *)out;
    for (size_t i = 0; i < len; i++) {
        machine->random = machine->random * UINT64_C(6364136223846793005) + 1442695040888963407u;
        to[i] = (uint8_t)(machine->random >> 56);
    }
}

void shard_post(struct shard *shard, struct post *post, void (*fn)(struct post *post)) {
    fn(post);
}

void work_submit(struct shard *shard, struct work *work, void (*run)(struct work *work),
                 void (*done)(struct work *work)) {
    work->shard = shard;
    work->run = run;
    work->done = done;
    list_append(&shard->machine->works, &work->link);
}

void work_give_way(void) {
}

void work_submit_computing(struct shard *shard, struct work *work, void (*run)(struct work *work),
                           void (*done)(struct work *work)) {
    work_submit(shard, work, run, done);
}

void work_submit_slow(struct shard *shard, struct work *work, void (*run)(struct work *work),
                      void (*done)(struct work *work)) {
    work_submit(shard, work, run, done);
}

void fuzz_machine_run(void) {
    struct machine *machine = fuzz_machine();
    bool more = true;
    while (more) {
        more = shard_core_run_deferred(&machine->shard.core);
        while (!list_empty(&machine->works)) {
            struct work *work = LIST_FIRST(&machine->works, struct work, link);
            list_remove(&work->link);
            work->run(work);
            work->done(work);
            more = true;
        }
    }
}

/* ---- log.h ----------------------------------------------------------------------------------- */

void log_set_level(struct machine *machine, enum log_level level) {
}

struct log_levels *log_levels(struct machine *machine) {
    return &machine->log_levels;
}

bool log_enabled(const struct machine *machine, enum log_level level) {
    return level >= LOG_LEVEL_WARN;
}

/* Formatted, as what a file says ends up in these lines too, and dropped. Only where a wrong read
 * of it would be seen. */
void log_write(struct machine *machine, enum log_level level, const char *component,
               const char *event, const char *format, ...) {
#ifdef FUZZ_ADDRESS_SANITIZER
    char line[LOG_LINE_MAX];
    va_list args;
    va_start(args, format);
    size_t len = log_line_format(line, WALL_START_MS, NULL, level, component, event, format, args);
    va_end(args);
    ASSERT(len > 0 && len <= sizeof(line));
#endif
}
