#include "runtime/sim/disk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/hmap.h"
#include "base/memory.h"

#define SECTOR 512

/* ---- Bytes ----------------------------------------------------------------------------------- */

static void bytes_resize(struct bytes *bytes, size_t len) {
    if (len > bytes->cap) {
        size_t cap = bytes->cap * 2 > len ? bytes->cap * 2 : len;
        bytes->data = xrealloc(bytes->data, cap);
        bytes->cap = cap;
    }
    if (len > bytes->len) {
        memset(bytes->data + bytes->len, 0, len - bytes->len);
    }
    bytes->len = len;
}

static void bytes_write(struct bytes *bytes, const uint8_t *data, size_t len, int64_t pos) {
    size_t end = (size_t)pos + len;
    if (end > bytes->len) {
        bytes_resize(bytes, end);
    }
    if (len > 0) {
        memcpy(bytes->data + pos, data, len);
    }
}

static void bytes_apply(struct bytes *bytes, const struct pending *pending) {
    if (pending->truncation) {
        bytes_resize(bytes, (size_t)pending->pos);
    } else {
        bytes_write(bytes, pending->data, pending->len, pending->pos);
    }
}

static struct bytes bytes_copy(const struct bytes *from) {
    struct bytes copy = {0};
    bytes_write(&copy, from->data, from->len, 0);
    return copy;
}

/* ---- Lists of names -------------------------------------------------------------------------- */

static struct entry *entries_find(const struct entries *entries, const char *name) {
    uint64_t hash = hash_bytes(slice_str(name));
    for (size_t i = 0; i < entries->count; i++) {
        if (entries->items[i].hash == hash && strcmp(entries->items[i].name, name) == 0) {
            return &entries->items[i];
        }
    }
    return NULL;
}

/* A name that is not among them. */
static void entries_add(struct entries *entries, const char *name, struct inode *inode) {
    if (entries->count == entries->cap) {
        entries->cap = entries->cap == 0 ? 8 : entries->cap * 2;
        entries->items = xrealloc(entries->items, entries->cap * sizeof(struct entry));
    }
    entries->items[entries->count++] = (struct entry){
        .name = xstrdup(name),
        .hash = hash_bytes(slice_str(name)),
        .inode = inode_ref(inode),
    };
}

static void entries_set(struct entries *entries, const char *name, struct inode *inode) {
    struct entry *old = entries_find(entries, name);
    if (old != NULL) {
        inode_ref(inode);
        inode_unref(old->inode);
        old->inode = inode;
    } else {
        entries_add(entries, name, inode);
    }
}

static void entries_drop(struct entries *entries, const char *name) {
    struct entry *entry = entries_find(entries, name);
    if (entry != NULL) {
        struct entry gone = *entry;
        *entry = entries->items[--entries->count];
        inode_unref(gone.inode);
        free(gone.name);
    }
}

static void entries_release(struct entries *entries) {
    struct entries gone = *entries;
    *entries = (struct entries){0};
    for (size_t i = 0; i < gone.count; i++) {
        inode_unref(gone.items[i].inode);
        free(gone.items[i].name);
    }
    free(gone.items);
}

/* ---- Inodes ---------------------------------------------------------------------------------- */

static struct inode *inode_new(struct disk *disk, bool directory) {
    struct inode *inode = NEW(struct inode);
    inode->refs = 1;
    inode->disk = disk;
    inode->directory = directory;
    list_init(&inode->pending);
    disk->refs++;
    return inode;
}

struct inode *inode_ref(struct inode *inode) {
    inode->refs++;
    return inode;
}

static void drop_pending(struct inode *inode) {
    while (!list_empty(&inode->pending)) {
        struct pending *pending = LIST_FIRST(&inode->pending, struct pending, link);
        list_remove(&pending->link);
        free(pending);
    }
}

static void disk_drop_ref(struct disk *disk) {
    if (--disk->refs == 0) {
        free(disk);
    }
}

void inode_unref(struct inode *inode) {
    ASSERT(inode->refs > 0);
    if (--inode->refs > 0) {
        return;
    }
    inode->disk->used -= (int64_t)inode->content.len;
    entries_release(&inode->entries);
    entries_release(&inode->durable_entries);
    drop_pending(inode);
    free(inode->content.data);
    free(inode->durable.data);
    disk_drop_ref(inode->disk);
    free(inode);
}

static void add_pending(struct inode *inode, bool truncation, const uint8_t *data, size_t len,
                        int64_t pos) {
    struct pending *pending = xmalloc(sizeof(*pending) + len);
    pending->truncation = truncation;
    pending->pos = pos;
    pending->len = len;
    if (len > 0) {
        memcpy(pending->data, data, len);
    }
    list_append(&inode->pending, &pending->link);
}

void inode_write(struct inode *inode, const uint8_t *data, size_t len, int64_t pos) {
    size_t before = inode->content.len;
    bytes_write(&inode->content, data, len, pos);
    inode->disk->used += (int64_t)(inode->content.len - before);
    add_pending(inode, false, data, len, pos);
}

void inode_truncate(struct inode *inode, int64_t size) {
    inode->disk->used += size - (int64_t)inode->content.len;
    bytes_resize(&inode->content, (size_t)size);
    add_pending(inode, true, NULL, 0, size);
}

void inode_sync(struct inode *inode, bool lost) {
    LIST_FOREACH(it, &inode->pending) {
        if (!lost) {
            bytes_apply(&inode->durable, CONTAINER_OF(it, struct pending, link));
        }
    }
    drop_pending(inode);
}

void inode_drop_cache(struct inode *inode) {
    struct bytes shown = bytes_copy(&inode->durable);
    LIST_FOREACH(it, &inode->pending) {
        bytes_apply(&shown, CONTAINER_OF(it, struct pending, link));
    }
    bytes_resize(&shown, inode->content.len);
    free(inode->content.data);
    inode->content = shown;
}

/* ---- Directories ----------------------------------------------------------------------------- */

struct inode *directory_get(const struct inode *dir, const char *name) {
    const struct entry *entry = entries_find(&dir->entries, name);
    return entry == NULL ? NULL : entry->inode;
}

static struct name_change *journal_add(struct inode *dir, const char *name, struct inode *inode) {
    struct name_change *change = NEW(struct name_change);
    change->dir = inode_ref(dir);
    change->name = xstrdup(name);
    change->inode = inode == NULL ? NULL : inode_ref(inode);
    list_append(&dir->disk->journal, &change->link);
    return change;
}

static void change_free(struct name_change *change) {
    list_remove(&change->link);
    inode_unref(change->dir);
    free(change->name);
    if (change->inode != NULL) {
        inode_unref(change->inode);
    }
    if (change->from_dir != NULL) {
        inode_unref(change->from_dir);
    }
    free(change->from_name);
    free(change);
}

struct inode *directory_create(struct inode *dir, const char *name, bool directory) {
    struct inode *inode = inode_new(dir->disk, directory);
    entries_set(&dir->entries, name, inode);
    journal_add(dir, name, inode);
    inode_unref(inode);
    return inode;
}

void directory_remove(struct inode *dir, const char *name) {
    journal_add(dir, name, NULL);
    entries_drop(&dir->entries, name);
}

void directory_rename(struct inode *from_dir, const char *from_name, struct inode *dir,
                      const char *name) {
    struct inode *inode = inode_ref(directory_get(from_dir, from_name));
    struct name_change *change = journal_add(dir, name, inode);
    change->from_dir = inode_ref(from_dir);
    change->from_name = xstrdup(from_name);
    entries_drop(&from_dir->entries, from_name);
    entries_set(&dir->entries, name, inode);
    inode_unref(inode);
}

static void change_commit(struct name_change *change) {
    if (change->from_dir != NULL) {
        const struct entry *from =
            entries_find(&change->from_dir->durable_entries, change->from_name);
        if (from != NULL && from->inode == change->inode) {
            entries_drop(&change->from_dir->durable_entries, change->from_name);
        }
    }
    if (change->inode == NULL) {
        entries_drop(&change->dir->durable_entries, change->name);
    } else {
        entries_set(&change->dir->durable_entries, change->name, change->inode);
    }
}

void directory_make_durable(struct inode *dir) {
    LIST_FOREACH_SAFE(it, &dir->disk->journal) {
        struct name_change *change = CONTAINER_OF(it, struct name_change, link);
        if (change->dir == dir || change->from_dir == dir) {
            change_commit(change);
            change_free(change);
        }
    }
}

/* ---- Disks ----------------------------------------------------------------------------------- */

struct disk *disk_new(void) {
    struct disk *disk = NEW(struct disk);
    disk->refs = 1;
    list_init(&disk->journal);
    disk->root = inode_new(disk, true);
    return disk;
}

void disk_unref(struct disk *disk) {
    if (disk == NULL) {
        return;
    }
    while (!list_empty(&disk->journal)) {
        change_free(LIST_FIRST(&disk->journal, struct name_change, link));
    }
    inode_unref(disk->root);
    disk->root = NULL;
    disk_drop_ref(disk);
}

/* The next component of *path into name (heap), "." and empty ones skipped; NULL at the end. */
static char *next_component(const char **path) {
    for (;;) {
        while (**path == '/') {
            (*path)++;
        }
        size_t len = strcspn(*path, "/");
        if (len == 0) {
            return NULL;
        }
        const char *start = *path;
        *path += len;
        if (len != 1 || start[0] != '.') {
            return slice_to_cstr(slice_make(start, len));
        }
    }
}

int disk_find_parent(struct disk *disk, const char *path, struct inode **dir, char **name) {
    struct inode *at = disk->root;
    char *component = next_component(&path);
    if (component == NULL) {
        return -EEXIST; /* the root itself */
    }
    for (;;) {
        char *next = next_component(&path);
        if (next == NULL) {
            *dir = at;
            *name = component;
            return 0;
        }
        at = directory_get(at, component);
        free(component);
        component = next;
        if (at == NULL || !at->directory) {
            free(component);
            return at == NULL ? -ENOENT : -ENOTDIR;
        }
    }
}

int disk_find(struct disk *disk, const char *path, struct inode **out) {
    struct inode *dir = NULL;
    char *name = NULL;
    int err = disk_find_parent(disk, path, &dir, &name);
    if (err == -EEXIST) {
        *out = disk->root;
        return 0;
    }
    if (err == 0) {
        *out = directory_get(dir, name);
        err = *out == NULL ? -ENOENT : 0;
        free(name);
    }
    return err;
}

/* ---- Crashes --------------------------------------------------------------------------------- */

static struct inode *copy_inode(struct disk *disk, struct inode *from);

static void copy_entries(struct disk *disk, const struct entries *from, struct entries *to) {
    for (size_t i = 0; i < from->count; i++) {
        entries_add(to, from->items[i].name, copy_inode(disk, from->items[i].inode));
    }
}

/* The copy of an inode, made once; `copy` holds a reference until forget_copy(). */
static struct inode *copy_inode(struct disk *disk, struct inode *from) {
    if (from->copy != NULL) {
        return from->copy;
    }
    struct inode *to = inode_new(disk, from->directory);
    from->copy = to;
    to->mtime_ms = from->mtime_ms;
    to->open_error = from->open_error;
    to->read_error = from->read_error;
    to->content = bytes_copy(&from->content);
    to->durable = bytes_copy(&from->durable);
    disk->used += (int64_t)to->content.len;
    LIST_FOREACH(it, &from->pending) {
        const struct pending *pending = CONTAINER_OF(it, struct pending, link);
        add_pending(to, pending->truncation, pending->data, pending->len, pending->pos);
    }
    copy_entries(disk, &from->entries, &to->entries);
    copy_entries(disk, &from->durable_entries, &to->durable_entries);
    return to;
}

static void forget_copy(struct inode *inode) {
    if (inode == NULL || inode->copy == NULL) {
        return;
    }
    struct inode *copy = inode->copy;
    inode->copy = NULL;
    for (size_t i = 0; i < inode->entries.count; i++) {
        forget_copy(inode->entries.items[i].inode);
    }
    for (size_t i = 0; i < inode->durable_entries.count; i++) {
        forget_copy(inode->durable_entries.items[i].inode);
    }
    inode_unref(copy);
}

struct disk *disk_copy(const struct disk *from) {
    struct disk *to = NEW(struct disk);
    to->refs = 1;
    list_init(&to->journal);
    to->root = inode_ref(copy_inode(to, from->root));
    LIST_FOREACH(it, &from->journal) {
        const struct name_change *old = CONTAINER_OF(it, struct name_change, link);
        struct inode *dir = copy_inode(to, old->dir);
        struct inode *inode = old->inode == NULL ? NULL : copy_inode(to, old->inode);
        struct name_change *change = journal_add(dir, old->name, inode);
        if (old->from_dir != NULL) {
            change->from_dir = inode_ref(copy_inode(to, old->from_dir));
            change->from_name = xstrdup(old->from_name);
        }
    }
    forget_copy(from->root);
    LIST_FOREACH(it, &from->journal) {
        const struct name_change *old = CONTAINER_OF(it, struct name_change, link);
        forget_copy(old->dir);
        forget_copy(old->inode);
        forget_copy(old->from_dir);
    }
    return to;
}

/* Sector boundaries of the file strictly inside a write: where it can be torn. */
static int64_t tear_count(const struct pending *pending) {
    if (pending->truncation || pending->len == 0) {
        return 0;
    }
    return (pending->pos + (int64_t)pending->len - 1) / SECTOR - pending->pos / SECTOR;
}

static void apply_torn(struct inode *inode, const struct pending *pending, int64_t tear) {
    int64_t cut = (pending->pos / SECTOR + tear) * SECTOR;
    bytes_write(&inode->durable, pending->data, (size_t)(cut - pending->pos), pending->pos);
}

/* A prefix of the unsynced changes, the last one possibly torn; the size possibly ahead of them. */
static void lose_data(struct inode *inode, struct disk_choices *choices) {
    int64_t count = 0;
    int64_t size_max = 0;
    LIST_FOREACH(it, &inode->pending) {
        const struct pending *pending = CONTAINER_OF(it, struct pending, link);
        int64_t end = pending->pos + (int64_t)pending->len;
        size_max = end > size_max ? end : size_max;
        count++;
    }
    if (count > 0) {
        int64_t keep = choices->pick(choices, count + 1);
        LIST_FOREACH(it, &inode->pending) {
            const struct pending *pending = CONTAINER_OF(it, struct pending, link);
            if (keep-- > 0) {
                bytes_apply(&inode->durable, pending);
                continue;
            }
            int64_t tears = tear_count(pending);
            int64_t tear = tears > 0 ? choices->pick(choices, tears + 1) : 0;
            if (tear > 0) {
                apply_torn(inode, pending, tear);
            }
            break;
        }
        if ((size_t)size_max > inode->durable.len && choices->pick(choices, 2) == 1) {
            bytes_resize(&inode->durable, (size_t)size_max);
        }
    }
    drop_pending(inode);
    inode->disk->used += (int64_t)inode->durable.len - (int64_t)inode->content.len;
    free(inode->content.data);
    inode->content = bytes_copy(&inode->durable);
}

static void lose_below(struct inode *dir, struct disk_choices *choices) {
    entries_release(&dir->entries);
    for (size_t i = 0; i < dir->durable_entries.count; i++) {
        struct entry *entry = &dir->durable_entries.items[i];
        entries_set(&dir->entries, entry->name, entry->inode);
        if (entry->inode->directory) {
            lose_below(entry->inode, choices);
        } else {
            lose_data(entry->inode, choices);
        }
    }
}

struct disk *disk_after_power_cut(const struct disk *disk, struct disk_choices *choices) {
    struct disk *survivor = disk_copy(disk);
    while (!list_empty(&survivor->journal)) {
        struct name_change *change = LIST_FIRST(&survivor->journal, struct name_change, link);
        if (choices->pick(choices, 2) == 1) {
            change_commit(change);
        }
        change_free(change);
    }
    lose_below(survivor->root, choices);
    return survivor;
}

static void settle_below(struct inode *dir) {
    for (size_t i = 0; i < dir->entries.count; i++) {
        struct inode *inode = dir->entries.items[i].inode;
        if (inode->directory) {
            settle_below(inode);
        } else {
            inode_sync(inode, false);
        }
    }
}

void disk_settle(struct disk *disk) {
    while (!list_empty(&disk->journal)) {
        struct name_change *change = LIST_FIRST(&disk->journal, struct name_change, link);
        change_commit(change);
        change_free(change);
    }
    settle_below(disk->root);
}
