/* Functions of file.h that are made of others, the same on both machines. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "runtime/file.h"

int file_write_at(struct file *file, const void *data, size_t len, int64_t pos) {
    struct slice part = slice_make(data, len);
    return file_writev_at(file, &part, 1, pos);
}

int path_mtime_ms(struct machine *machine, const char *path, int64_t *out) {
    struct file *file = NULL;
    int err = file_open(machine, path, FILE_READ, &file);
    if (err == 0) {
        err = file_mtime_ms(file, out);
    }
    file_unref(file);
    return err;
}

int directory_sync_parent(struct machine *machine, const char *path) {
    const char *slash = strrchr(path, '/');
    if (slash == NULL) {
        return directory_sync(machine, ".");
    }
    if (slash == path) {
        return directory_sync(machine, "/");
    }
    char *parent = slice_to_cstr(slice_make(path, (size_t)(slash - path)));
    int err = directory_sync(machine, parent);
    free(parent);
    return err;
}

/* Its name is durable when this made it. */
static int make_directory(struct machine *machine, const char *path) {
    int err = path_mkdir(machine, path);
    if (err == 0) {
        return directory_sync_parent(machine, path);
    }
    if (err != -EEXIST) {
        return err;
    }
    enum path_kind kind = PATH_MISSING;
    err = path_kind(machine, path, &kind);
    if (err != 0) {
        return err;
    }
    return kind == PATH_DIRECTORY ? 0 : -ENOTDIR;
}

int path_mkdir_parents(struct machine *machine, const char *path) {
    char *head = xstrdup(path);
    int err = 0;
    for (char *slash = strchr(head + (head[0] == '/'), '/'); err == 0 && slash != NULL;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        /* A parent that exists may lie where we may not create: only its absence counts. */
        enum path_kind kind = PATH_MISSING;
        err = path_kind(machine, head, &kind);
        if (err == 0 && kind != PATH_DIRECTORY) {
            err = make_directory(machine, head);
        }
        *slash = '/';
    }
    if (err == 0) {
        err = make_directory(machine, head);
    }
    free(head);
    return err;
}

static int read_whole(struct file *file, size_t max, uint8_t **out, size_t *len) {
    int64_t size = 0;
    int err = file_size(file, &size);
    if (err != 0) {
        return err;
    }
    if ((uint64_t)size > max) {
        return -EFBIG;
    }
    uint8_t *data = malloc((size_t)size + 1);
    if (data == NULL) {
        return -ENOMEM;
    }
    int64_t got = file_read_at(file, data, (size_t)size, 0);
    if (got < 0) {
        free(data);
        return (int)got;
    }
    data[got] = '\0';
    *out = data;
    *len = (size_t)got;
    return 0;
}

int file_read_all(struct machine *machine, const char *path, size_t max, uint8_t **out,
                  size_t *len) {
    struct file *file = NULL;
    int err = file_open(machine, path, FILE_READ, &file);
    if (err != 0) {
        return err;
    }
    err = read_whole(file, max, out, len);
    file_unref(file);
    return err;
}

static int write_new(struct machine *machine, const char *path, struct slice content) {
    struct file *file = NULL;
    int err = file_open(machine, path, FILE_WRITE | FILE_CREATE | FILE_TRUNCATE, &file);
    if (err != 0) {
        return err;
    }
    if (content.len > 0) {
        err = file_write_at(file, content.data, content.len, 0);
    }
    if (err == 0) {
        err = file_sync(file);
    }
    file_unref(file);
    return err;
}

int file_replace(struct machine *machine, const char *path, struct slice content) {
    size_t path_len = strlen(path);
    char *tmp = xmalloc(path_len + sizeof(".tmp"));
    memcpy(tmp, path, path_len);
    memcpy(tmp + path_len, ".tmp", sizeof(".tmp"));
    int err = write_new(machine, tmp, content);
    if (err == 0) {
        err = path_rename(machine, tmp, path);
    }
    if (err == 0) {
        err = directory_sync_parent(machine, path);
    } else if (path_unlink(machine, tmp) != 0) {
        /* What is left of the new content is overwritten by the next replacement. */
    }
    free(tmp);
    return err;
}
