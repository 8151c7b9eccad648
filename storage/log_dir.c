#include "storage/log_dir.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "runtime/file.h"
#include "runtime/machine.h"
#include "storage/paths.h"
#include "storage/text_formats.h"
#include "storage/text_lines.h"

#define TOPIC_NAME_MAX     249
#define DIRECTORY_NAME_MAX 255
#define UNIQUE_LEN         32 /* hex digits of a random uuid */

#define SUFFIX_DIR_DELETE "-delete"
#define SUFFIX_DIR_FUTURE "-future"
#define SUFFIX_DIR_STRAY  "-stray"

/* One bit for each of a-z, A-Z, 0-9, '.', '_' and '-': requests can name very many topics. */
static const uint64_t topic_chars[4] = {0x03ff600000000000, 0x07fffffe87fffffe, 0, 0};

bool topic_name_valid(struct slice name) {
    if (name.len == 0 || name.len > TOPIC_NAME_MAX || slice_equal_str(name, ".") ||
        slice_equal_str(name, "..")) {
        return false;
    }
    uint64_t valid = 1;
    for (size_t i = 0; i < name.len; i++) {
        valid &= topic_chars[name.data[i] >> 6] >> (name.data[i] & 63);
    }
    return valid != 0;
}

static bool parse_partition(struct slice name, struct slice *topic, int32_t *partition) {
    const uint8_t *dash = name.len == 0 ? NULL : memrchr(name.data, '-', name.len);
    if (dash == NULL) {
        return false;
    }
    size_t topic_len = (size_t)(dash - name.data);
    struct slice digits = slice_make(dash + 1, name.len - topic_len - 1);
    int64_t number = 0;
    if (digits.len == 0 || digits.data[0] == '-' || !slice_parse_i64(digits, &number) ||
        number > INT32_MAX) {
        return false;
    }
    *topic = slice_make(name.data, topic_len);
    *partition = (int32_t)number;
    return topic_name_valid(*topic);
}

/* "<topic>-<partition>"; false when `name` is no partition directory's name. */
static bool partition_dir_parse(const char *name, struct slice *topic, int32_t *partition) {
    return parse_partition(slice_str(name), topic, partition);
}

/* "<topic>-<partition>.<32 hex><suffix>": the part before the dot. */
static bool parse_set_aside(const char *name, const char *suffix, struct slice *rest) {
    size_t len = strlen(name);
    size_t tail = 1 + UNIQUE_LEN + strlen(suffix);
    if (len <= tail || strcmp(name + len - strlen(suffix), suffix) != 0 ||
        name[len - tail] != '.') {
        return false;
    }
    *rest = slice_make(name, len - tail);
    return strspn(name + len - tail + 1, "0123456789abcdefABCDEF") >= UNIQUE_LEN;
}

static bool classify(const char *name, struct log_dir_entry *out) {
    static const struct {
        const char *suffix;
        enum log_dir_entry_kind kind;
    } kinds[] = {{SUFFIX_DIR_DELETE, LOG_DIR_DELETED},
                 {SUFFIX_DIR_FUTURE, LOG_DIR_FUTURE},
                 {SUFFIX_DIR_STRAY, LOG_DIR_STRAY}};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct slice rest;
        if (parse_set_aside(name, kinds[i].suffix, &rest)) {
            out->kind = kinds[i].kind;
            /* The topic may have been cut short for these two; nobody needs it. */
            return parse_partition(rest, &out->topic, &out->partition) ||
                   out->kind == LOG_DIR_DELETED || out->kind == LOG_DIR_STRAY;
        }
    }
    out->kind = LOG_DIR_PARTITION;
    return partition_dir_parse(name, &out->topic, &out->partition);
}

bool partition_metadata_parse(struct slice text, struct uuid *topic_id) {
    struct slice line;
    struct slice word;
    return text_next_line(&text, &line) && text_next_word(&line, &word) &&
           slice_equal_str(word, "version:") && text_next_word(&line, &word) &&
           slice_equal_str(word, "0") && text_next_line(&text, &line) &&
           text_next_word(&line, &word) && slice_equal_str(word, "topic_id:") &&
           text_next_word(&line, &word) && uuid_parse(word, topic_id);
}

static struct uuid read_topic_id(struct machine *machine, const char *path, int64_t *created_ms) {
    struct path file;
    uint8_t *bytes = NULL;
    size_t len = 0;
    struct uuid topic_id = UUID_ZERO;
    path_join(&file, path, FILE_PARTITION_METADATA);
    if (file_read_all(machine, file.text, 4096, &bytes, &len) == 0) {
        if (!partition_metadata_parse(slice_make(bytes, len), &topic_id)) {
            topic_id = UUID_ZERO;
        }
        free(bytes);
        if (path_mtime_ms(machine, file.text, created_ms) != 0) {
            *created_ms = 0;
        }
    }
    return topic_id;
}

static bool skipped(const char *name) {
    return strcmp(name, "__cluster_metadata-0") == 0 ||
           strcmp(name, "remote-log-index-cache") == 0 || strcmp(name, "lost+found") == 0;
}

int log_dir_list(struct machine *machine, const char *dir, struct arena *arena,
                 struct log_dir_entry **out, int *count, struct errmsg *errmsg) {
    char **names = NULL;
    size_t name_count = 0;
    *out = NULL;
    *count = 0;
    int result = directory_list(machine, dir, &names, &name_count);
    if (result != 0) {
        errmsg_set(errmsg, "cannot list %s: %s", dir, strerror(-result));
        return result;
    }
    struct log_dir_entry *entries = arena_array(arena, name_count + 1, sizeof(*entries));
    int found = 0;
    for (size_t i = 0; i < name_count && result == 0; i++) {
        struct path path;
        enum path_kind kind = PATH_MISSING;
        result = path_kind(machine, path_join(&path, dir, names[i]), &kind);
        if (result != 0) {
            errmsg_set(errmsg, "cannot look at %s: %s", path.text, strerror(-result));
            break;
        }
        if (kind != PATH_DIRECTORY || skipped(names[i])) {
            continue;
        }
        struct log_dir_entry *entry = &entries[found];
        struct slice name = arena_dup(arena, slice_str(names[i]));
        entry->name = (const char *)name.data;
        if (!classify(entry->name, entry)) {
            errmsg_set(errmsg,
                       "%s is no directory of a partition (<topic>-<partition>); move it out of "
                       "the log dir",
                       path.text);
            result = -EINVAL;
            break;
        }
        entry->topic_id = read_topic_id(machine, path.text, &entry->created_ms);
        found++;
    }
    free(names);
    if (result == 0) {
        *out = entries;
        *count = found;
    }
    return result;
}

int log_dir_set_aside(struct machine *machine, const char *dir, const char *name,
                      const char *suffix, char **new_path) {
    *new_path = NULL;
    struct slice topic;
    int32_t partition = 0;
    if (!partition_dir_parse(name, &topic, &partition)) {
        return -EINVAL;
    }
    char tail[64];
    snprintf(tail, sizeof(tail), "-%" PRId32 ".%016" PRIx64 "%016" PRIx64 "%s", partition,
             random_u64(machine), random_u64(machine), suffix);
    size_t room = DIRECTORY_NAME_MAX - strlen(tail);
    char target[DIRECTORY_NAME_MAX + 1];
    snprintf(target, sizeof(target), "%.*s%s", (int)(topic.len < room ? topic.len : room),
             (const char *)topic.data, tail);
    struct path from;
    struct path to;
    path_join(&from, dir, name);
    path_join(&to, dir, target);
    int result = path_rename(machine, from.text, to.text);
    if (result == 0) {
        result = directory_sync(machine, dir);
    }
    if (result == 0) {
        *new_path = slice_to_cstr(slice_str(to.text));
    }
    return result;
}

int log_dir_remove_tree(struct machine *machine, const char *path) {
    char **names = NULL;
    size_t count = 0;
    int result = directory_list(machine, path, &names, &count);
    if (result != 0) {
        return result == -ENOENT ? 0 : result;
    }
    for (size_t i = 0; i < count && result == 0; i++) {
        struct path file;
        enum path_kind kind = PATH_MISSING;
        result = path_kind(machine, path_join(&file, path, names[i]), &kind);
        if (result == 0 && kind == PATH_DIRECTORY) {
            result = log_dir_remove_tree(machine, file.text);
        } else if (result == 0) {
            result = path_unlink(machine, file.text);
        }
        result = result == -ENOENT ? 0 : result;
    }
    free(names);
    return result == 0 ? path_rmdir(machine, path) : result;
}

int log_dir_lock(struct machine *machine, const char *dir, struct file **out) {
    struct path path;
    return file_lock(machine, path_join(&path, dir, ".lock"), out);
}
