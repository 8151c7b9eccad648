#include "broker/quorum/metadata_snapshot.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "runtime/file.h"
#include "runtime/machine.h"

#define SUFFIX         ".checkpoint"
#define SUFFIX_PART    ".checkpoint.part"
#define SUFFIX_DELETED ".checkpoint.deleted"

#define NAME_DIGITS_END   20
#define NAME_DIGITS_EPOCH 10

/* Beyond this a snapshot is not plausible, and is not read into memory. */
#define SNAPSHOT_MAX ((size_t)4 << 30)

static char *format(const char *pattern, ...) PRINTF_LIKE(1, 2);

static char *format(const char *pattern, ...) {
    char *out = NULL;
    va_list args;
    va_start(args, pattern);
    int len = vasprintf(&out, pattern, args);
    va_end(args);
    ASSERT(len >= 0);
    return out;
}

char *snapshot_path(const char *dir, struct snapshot_id id) {
    return format("%s/%020" PRId64 "-%010" PRId32 SUFFIX, dir, id.end_offset, id.epoch);
}

static bool ends_with(const char *name, const char *suffix) {
    size_t len = strlen(name);
    size_t suffix_len = strlen(suffix);
    return len >= suffix_len && strcmp(name + len - suffix_len, suffix) == 0;
}

static bool parse_name(const char *name, struct snapshot_id *out) {
    int64_t end_offset;
    int64_t epoch;
    size_t digits = NAME_DIGITS_END + 1 + NAME_DIGITS_EPOCH;
    if (strlen(name) != digits + strlen(SUFFIX) || strcmp(name + digits, SUFFIX) != 0 ||
        name[NAME_DIGITS_END] != '-' ||
        !slice_parse_i64(slice_make(name, NAME_DIGITS_END), &end_offset) ||
        !slice_parse_i64(slice_make(name + NAME_DIGITS_END + 1, NAME_DIGITS_EPOCH), &epoch) ||
        end_offset < 0 || epoch < 0 || epoch > INT32_MAX) {
        return false;
    }
    *out = (struct snapshot_id){end_offset, (int32_t)epoch};
    return true;
}

static bool is_bootstrap(struct snapshot_id id) {
    return id.end_offset == 0 && id.epoch == 0;
}

static int remove_name(struct machine *machine, const char *dir, const char *name) {
    char *path = format("%s/%s", dir, name);
    int result = path_unlink(machine, path);
    free(path);
    return result == -ENOENT ? 0 : result;
}

int snapshot_recover(struct machine *machine, const char *dir, struct snapshot_list *out,
                     struct errmsg *errmsg) {
    *out = (struct snapshot_list){0};
    char **names;
    size_t count;
    int result = directory_list(machine, dir, &names, &count);
    if (result == -ENOENT) {
        return 0;
    }
    if (result != 0) {
        errmsg_set(errmsg, "cannot list %s: %s", dir, strerror(-result));
        return result;
    }
    for (size_t i = 0; i < count && result == 0; i++) {
        struct snapshot_id id;
        if (ends_with(names[i], SUFFIX_PART) || ends_with(names[i], SUFFIX_DELETED)) {
            result = remove_name(machine, dir, names[i]);
            if (result != 0) {
                errmsg_set(errmsg, "cannot remove %s/%s: %s", dir, names[i], strerror(-result));
            }
        } else if (parse_name(names[i], &id)) {
            if (is_bootstrap(id)) {
                out->bootstrap = true;
            } else if (!out->found || id.end_offset > out->latest.end_offset ||
                       (id.end_offset == out->latest.end_offset && id.epoch > out->latest.epoch)) {
                out->found = true;
                out->latest = id;
            }
        }
    }
    free(names);
    return result;
}

static bool read_batches(struct slice in, struct record_list *out, struct metadata_control *control,
                         int64_t *timestamp_ms) {
    struct batch batch;
    struct slice bytes;
    int result;
    while ((result = metadata_batch_next(&in, &batch, &bytes)) == 1) {
        bool ok;
        if ((batch.attributes & BATCH_ATTR_CONTROL) != 0) {
            ok = metadata_control_read(bytes, &batch, control);
        } else {
            ok = control->header && !control->footer && metadata_values_read(bytes, &batch, out);
        }
        if (!ok) {
            return false;
        }
        *timestamp_ms = batch.max_timestamp;
    }
    return result == 0 && control->header && control->footer;
}

int snapshot_read(struct machine *machine, const char *path, struct record_list *out,
                  struct metadata_control *control, int64_t *timestamp_ms, struct errmsg *errmsg) {
    uint8_t *data;
    size_t len;
    int result = file_read_all(machine, path, SNAPSHOT_MAX, &data, &len);
    if (result != 0) {
        errmsg_set(errmsg, "cannot read %s: %s", path, strerror(-result));
        return result;
    }
    /* A log may say header and footer of an earlier snapshot; this one has to have its own. */
    control->header = false;
    control->footer = false;
    if (!read_batches(slice_make(data, len), out, control, timestamp_ms)) {
        errmsg_set(errmsg, "snapshot %s is damaged or incomplete", path);
        result = -EUCLEAN;
    }
    free(data);
    return result;
}

/* Batches of a snapshot are kept well below the limit, so that others read them in small steps. */
#define DATA_BATCH_BYTES ((size_t)1 << 20)

void snapshot_build(const struct slice *values, int count, struct snapshot_id id,
                    int64_t timestamp_ms, const struct voter_set *voters, struct buffer *out) {
    struct metadata_control_batch control = {
        .base_offset = 0,
        .epoch = id.epoch,
        .timestamp_ms = timestamp_ms,
        .type = CONTROL_SNAPSHOT_HEADER,
        .voters = voters,
    };
    int64_t offset = metadata_control_build(&control, out);
    for (int begin = 0; begin < count;) {
        int end = begin;
        for (size_t bytes = 0; end < count && (end == begin || bytes < DATA_BATCH_BYTES); end++) {
            bytes += values[end].len;
        }
        bool ok =
            metadata_values_build(values + begin, end - begin, offset, id.epoch, timestamp_ms, out);
        ASSERT(ok);
        offset += end - begin;
        begin = end;
    }
    control.base_offset = offset;
    control.type = CONTROL_SNAPSHOT_FOOTER;
    control.voters = NULL;
    (void)metadata_control_build(&control, out);
}

static int write_part(struct machine *machine, const char *path, struct slice bytes) {
    struct file *file;
    int result = file_open(machine, path, FILE_WRITE | FILE_CREATE | FILE_TRUNCATE, &file);
    if (result != 0) {
        return result;
    }
    result = file_write_at(file, bytes.data, bytes.len, 0);
    if (result == 0) {
        result = file_sync(file);
    }
    file_unref(file);
    return result;
}

int snapshot_write(struct machine *machine, const char *dir, struct snapshot_id id,
                   struct slice bytes) {
    char *path = snapshot_path(dir, id);
    char *part = format("%s/%020" PRId64 "-%010" PRId32 "-%016" PRIx64 SUFFIX_PART, dir,
                        id.end_offset, id.epoch, random_u64(machine));
    int result = write_part(machine, part, bytes);
    if (result == 0) {
        result = path_rename(machine, part, path);
    }
    if (result == 0) {
        result = directory_sync(machine, dir);
    }
    free(part);
    free(path);
    return result;
}

int snapshot_remove_below(struct machine *machine, const char *dir, int64_t end_offset) {
    char **names;
    size_t count;
    int result = directory_list(machine, dir, &names, &count);
    if (result != 0) {
        return result;
    }
    for (size_t i = 0; i < count && result == 0; i++) {
        struct snapshot_id id;
        if (parse_name(names[i], &id) && !is_bootstrap(id) && id.end_offset < end_offset) {
            result = remove_name(machine, dir, names[i]);
        }
    }
    free(names);
    return result;
}
